"""Where NVIDIA's driver keeps its user-space libraries on a host: driver profiles, first match wins."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from posixpath import normpath
from typing import Any

from webhook.raw import items, mapping, no_entries, text
from webhook.view.view import Labels, Node

TRIPLETS = {"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}


@dataclass(frozen=True, slots=True)
class DriverProfile:
    """A kind of host, and the directory of its driver's libraries; an empty directory says that there is none to use.

    ``os_image`` and ``kernel`` are patterns (``*``) over what the node reports; an empty ``architecture`` is any.
    ``{triplet}`` in the directory becomes the architecture's. ``complete`` vouches that the distribution ships the
    default libraries in one package with NVML, so that where NVML is, they are.
    """

    os_image: str = "*"
    kernel: str = "*"
    architecture: str = ""
    node_labels: Labels = field(default_factory=no_entries)
    directory: str = ""
    complete: bool = False

    def matches(self, node: Node) -> bool:
        """Say whether a node is of this kind."""
        return (
            fnmatchcase(node.os_image, self.os_image)
            and fnmatchcase(node.kernel, self.kernel)
            and self.architecture in ("", node.architecture)
            and all(node.labels.get(key) == value for key, value in self.node_labels.items())
        )


# The kernel tells what the name of the system does not: a Jetson and a WSL2
# machine both call themselves Ubuntu.
DEFAULT_PROFILES = (
    DriverProfile(kernel="*tegra*"),
    DriverProfile(kernel="*WSL2*", directory="/usr/lib/wsl/lib"),
    DriverProfile(os_image="Container-Optimized OS*"),
    DriverProfile(os_image="Bottlerocket*"),
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
    DriverProfile(os_image="Talos*", directory="/usr/local/glibc/usr/lib"),
    DriverProfile(os_image="NixOS*", directory="/run/opengl-driver/lib"),
)


@dataclass(frozen=True, slots=True)
class HostDriver:
    """The driver of one node: the directory of its libraries, and the loader's triplet for that architecture."""

    directory: str
    triplet: str
    complete: bool


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


def host_paths(spec: Mapping[str, Any], container: Mapping[str, Any]) -> Iterator[str]:
    """Yield the paths of the host that a container of a pod's spec mounts, parts of a volume (``subPath``) too."""
    volumes = {
        text(volume.get("name")): text(mapping(volume.get("hostPath")).get("path"))
        for volume in items(spec.get("volumes"))
        if isinstance(volume.get("hostPath"), dict)
    }
    for mount in items(container.get("volumeMounts")):
        path = volumes.get(text(mount.get("name")))
        if path is not None:
            part = text(mount.get("subPath"))
            yield f"{path.rstrip('/')}/{part}" if part else path
