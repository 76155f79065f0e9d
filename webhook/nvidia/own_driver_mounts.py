"""Does a hostPath of a pod hold the driver? Where nodes keep it is in driver_profiles."""

import re
from dataclasses import dataclass
from posixpath import normpath

# Directories that hold all libraries of a distribution: a mount of the whole directory includes the
# driver's, a mount of another file below it does not.
SHARED_LIBRARY_DIRECTORIES = frozenset(
    {
        "/usr/lib/x86_64-linux-gnu",
        "/usr/lib/aarch64-linux-gnu",
        "/lib/x86_64-linux-gnu",
        "/lib/aarch64-linux-gnu",
        "/usr/lib64",
        "/lib64",
        "/usr/lib",
        "/usr/local/glibc/usr/lib",
        "/usr/local/glibc/lib",
        "/usr/local/lib",
    }
)

# Directories of the driver alone: they and everything below them hold the driver.
DRIVER_DIRECTORIES = (
    "/run/nvidia/driver",
    "/usr/local/nvidia",
    "/usr/lib/nvidia",
    "/usr/lib64/nvidia",
    "/home/kubernetes/bin/nvidia",
    "/opt/nvidia/driver",
    "/opt/nvidia/current",
    "/opt/cloud/cce/nvidia",
    "/var/lib/nvidia",
    "/usr/lib/wsl",
    "/usr/lib/aarch64-linux-gnu/tegra",
    "/usr/lib/aarch64-linux-gnu/nvidia",
    "/usr/lib/x86_64-linux-gnu/nvidia",
    "/run/opengl-driver",
    "/x86_64-bottlerocket-linux-gnu/sys-root/usr/lib/nvidia",
    "/aarch64-bottlerocket-linux-gnu/sys-root/usr/lib/nvidia",
)

# Of older packages of Ubuntu: /usr/lib/nvidia-384.
VERSIONED_DIRECTORY = re.compile(r"/usr/lib(?:32|64)?/nvidia-\d{2,4}(?:/.*)?", re.DOTALL)

LIBRARY = re.compile(r"lib(cuda|cudadebugger|nvcuvid|nvoptix|nvidia-[a-z0-9-]+|[A-Za-z0-9]+_nvidia)\.so(\.\d+)*")


def is_driver_path(host_path: str) -> bool:
    """Say whether a hostPath is a library of NVIDIA's driver, or a directory that holds such libraries."""
    return is_driver_directory(host_path) or LIBRARY.fullmatch(host_path.rpartition("/")[2]) is not None


def is_driver_directory(host_path: str) -> bool:
    """Say whether a hostPath is a directory with the driver's libraries, or a path below a directory of the driver."""
    path = "/" + normpath(host_path).lstrip("/")
    if path in SHARED_LIBRARY_DIRECTORIES or VERSIONED_DIRECTORY.fullmatch(path):
        return True
    return any(path == directory or path.startswith(directory + "/") for directory in DRIVER_DIRECTORIES)


@dataclass(frozen=True, slots=True)
class HostFile:
    """One file of the host's driver, and the paths in a container at which programs look for it."""

    path: str
    places: tuple[str, ...]
