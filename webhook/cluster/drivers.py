"""Where NVIDIA's driver keeps its user-space libraries on a host: driver profiles, first match wins."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from posixpath import normpath

from webhook.kube.values import empty_mapping
from webhook.view.view import Labels, Node

# https://docs.nvidia.com/datacenter/cloud-native/gpu-operator/latest/getting-started.html
DRIVER_CONTAINER_LABEL = "nvidia.com/gpu.deploy.driver"

TRIPLETS = {"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}


@dataclass(frozen=True, slots=True)
class DriverProfile:
    """A kind of host, and the directory of its driver's libraries; an empty directory says that there is none to use.

    ``os_image``, ``kernel`` and the values of ``node_labels`` are patterns (``*``); an empty ``architecture`` is any.
    ``{triplet}`` in the directory becomes the architecture's. ``complete`` vouches that the distribution ships the
    default libraries in one package with NVML, so that where NVML is, they are.
    """

    os_image: str = "*"
    kernel: str = "*"
    architecture: str = ""
    node_labels: Labels = field(default_factory=empty_mapping)
    directory: str = ""
    complete: bool = False

    def matches(self, node: Node) -> bool:
        """Say whether a node is of this kind."""
        return (
            fnmatchcase(node.os_image, self.os_image)
            and fnmatchcase(node.kernel, self.kernel)
            and self.architecture in ("", node.architecture)
            and all(
                key in node.labels and fnmatchcase(node.labels[key], value) for key, value in self.node_labels.items()
            )
        )


# The kernel tells what the name of the system does not: a Jetson and a WSL2
# machine both call themselves Ubuntu.
DEFAULT_PROFILES = (
    DriverProfile(kernel="*tegra*"),
    DriverProfile(kernel="*WSL2*", directory="/usr/lib/wsl/lib"),
    DriverProfile(os_image="Container-Optimized OS*"),
    DriverProfile(os_image="Bottlerocket*"),
    # Their /usr is part of the image and never has the driver.
    DriverProfile(os_image="*CoreOS*"),
    DriverProfile(os_image="Ubuntu Core*"),
    # Talos' kubelet checks a hostPath's type in its own mount namespace, where the driver's files are not.
    DriverProfile(os_image="Talos*"),
    # GKE's Ubuntu keeps the driver in /home/kubernetes/bin/nvidia, and names it Ubuntu all the same.
    DriverProfile(kernel="*-gke*"),
    DriverProfile(node_labels={"cloud.google.com/gke-nodepool": "*"}),
    DriverProfile(node_labels={"cloud.google.com/gke-os-distribution": "*"}),
    # The GPU Operator runs the driver in a container, below /run/nvidia/driver; else the value is "pre-installed".
    DriverProfile(node_labels={DRIVER_CONTAINER_LABEL: "true"}),
    DriverProfile(node_labels={DRIVER_CONTAINER_LABEL: "paused*"}),
    DriverProfile(os_image="Ubuntu*", directory="/usr/lib/{triplet}", complete=True),
    DriverProfile(os_image="Debian*", directory="/usr/lib/{triplet}"),
    *(
        DriverProfile(os_image=f"{name}*", directory="/usr/lib64", complete=True)
        for name in ("Red Hat Enterprise Linux", "Rocky Linux", "AlmaLinux", "CentOS", "Oracle Linux")
    ),
    *(
        DriverProfile(os_image=f"{name}*", directory="/usr/lib64")
        for name in ("Amazon Linux", "Fedora", "SUSE", "openSUSE")
    ),
    DriverProfile(os_image="NixOS*", directory="/run/opengl-driver/lib"),
)


@dataclass(frozen=True, slots=True)
class HostDriver:
    """The driver of one node: the directory of its libraries, and the loader's triplet for that architecture."""

    directory: str
    triplet: str
    complete: bool


@dataclass(frozen=True, slots=True)
class HostFile:
    """One file of the host's driver, and the paths in a container at which programs look for it."""

    path: str
    places: tuple[str, ...]


def host_driver(node: Node, profiles: Iterable[DriverProfile]) -> HostDriver | None:
    """Return where a node keeps its driver's libraries, None where no profile tells."""
    triplet = TRIPLETS.get(node.architecture)
    profile = next((profile for profile in profiles if profile.matches(node)), None)
    if profile is None or triplet is None or not profile.directory:
        return None
    return HostDriver(profile.directory.replace("{triplet}", triplet), triplet, profile.complete)


class HostDrivers:
    """The drivers of many nodes: what reports the same is looked up once."""

    def __init__(self, profiles: tuple[DriverProfile, ...]) -> None:
        self._profiles = profiles
        self._keys = sorted({key for profile in profiles for key in profile.node_labels})
        self._known: dict[tuple[str | None, ...], HostDriver | None] = {}

    def of(self, node: Node) -> HostDriver | None:
        """Return what ``host_driver`` does."""
        facts = (node.os_image, node.kernel, node.architecture, *map(node.labels.get, self._keys))
        if facts not in self._known:
            self._known[facts] = host_driver(node, self._profiles)
        return self._known[facts]


# Directories in which all of a distribution's libraries stand: a mount of the whole directory brings the
# driver's, a mount of another file below does not.
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
    return is_driver_directory(host_path) or LIBRARY.fullmatch(host_path.rpartition("/")[2]) is not None


def is_driver_directory(host_path: str) -> bool:
    """Say whether a hostPath is a directory that holds the driver's libraries, or stands in one that is all theirs."""
    path = "/" + normpath(host_path).lstrip("/")
    if path in SHARED_LIBRARY_DIRECTORIES:
        return True
    return any(path == directory or path.startswith(directory + "/") for directory in DRIVER_DIRECTORIES)
