"""Where NVIDIA's driver keeps its user-space libraries on a host."""

import re
from posixpath import normpath

# Directories in which all of a distribution's libraries stand: a mount of the whole directory brings the
# driver's, a mount of another file below does not (docs: facts on driver packages).
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

# Directories that are the driver's alone: they and everything below bring the driver.
DRIVER_DIRECTORIES = (
    "/run/nvidia/driver",
    "/usr/local/nvidia",
    "/usr/lib/nvidia",
    "/usr/lib64/nvidia",
    "/home/kubernetes/bin/nvidia",
    "/opt/nvidia/driver",
    "/usr/lib/wsl/lib",
    "/run/opengl-driver",
    "/x86_64-bottlerocket-linux-gnu/sys-root/usr/lib/nvidia",
    "/aarch64-bottlerocket-linux-gnu/sys-root/usr/lib/nvidia",
)

LIBRARY = re.compile(r"lib(cuda|cudadebugger|nvcuvid|nvoptix|nvidia-[a-z0-9-]+|[A-Za-z0-9]+_nvidia)\.so(\.\d+)*")


def is_driver_path(host_path: str) -> bool:
    """Say whether a hostPath brings libraries of NVIDIA's driver: one of them, or a directory that holds them."""
    path = "/" + normpath(host_path).lstrip("/")
    if path in SHARED_LIBRARY_DIRECTORIES or LIBRARY.fullmatch(path.rpartition("/")[2]):
        return True
    return any(path == directory or path.startswith(directory + "/") for directory in DRIVER_DIRECTORIES)
