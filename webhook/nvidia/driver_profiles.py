"""Where NVIDIA's driver keeps its user-space libraries on a host: driver profiles, first match wins.

A profile is for hosts with a driver in one well-known place. Hosts of webhook/nvidia/special_hosts.py match no shipped
profile, whatever their system is called. Sources: docs/platform-facts.md.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from webhook.kube.values import empty_mapping
from webhook.nvidia.special_hosts import TRIPLETS, Host, is_wsl, special_host


@dataclass(frozen=True, slots=True)
class DriverProfile:
    """A kind of host, and the directory of its driver's libraries; an empty directory says that there is none to use.

    ``os_image`` and ``kernel`` are patterns (``*``) over what the node reports; an empty ``architecture`` is any.
    ``{triplet}`` in the directory becomes the architecture's. ``complete`` vouches that the distribution ships the
    default libraries in one package with NVML, so that where NVML is, they are. ``usr_root`` says that the host's
    ``/usr``, mounted below a driver root, lets a device plugin find NVML. ``shipped`` profiles skip special hosts.
    """

    os_image: str = "*"
    kernel: str = "*"
    architecture: str = ""
    node_labels: Mapping[str, str] = field(default_factory=empty_mapping)
    directory: str = ""
    complete: bool = False
    usr_root: bool = True
    shipped: bool = False

    def matches(self, host: Host) -> bool:
        """Say whether a host is of this kind. Special hosts are not considered here."""
        return (
            fnmatchcase(host.os_image, self.os_image)
            and fnmatchcase(host.kernel, self.kernel)
            and self.architecture in ("", host.architecture)
            and all(host.labels.get(key) == value for key, value in self.node_labels.items())
        )


def _shipped(directory: str, *os_images: str, complete: bool = False) -> tuple[DriverProfile, ...]:
    return tuple(DriverProfile(name, directory=directory, complete=complete, shipped=True) for name in os_images)


# A digit after the name keeps variants out that only share the name: "Ubuntu Core 24",
# "Red Hat Enterprise Linux CoreOS 418".
DEFAULT_PROFILES = (
    # The kernel tells what the name of the system does not: WSL2 machines call themselves Ubuntu.
    *(
        DriverProfile(kernel=kernel, directory="/usr/lib/wsl/lib", usr_root=False, shipped=True)
        for kernel in ("*WSL2*", "*microsoft-standard*")
    ),
    # libnvidia-compute has NVML, CUDA's driver library and the PTX compiler.
    *_shipped("/usr/lib/{triplet}", "Ubuntu [0-9]*", "Linux Mint [0-9]*", complete=True),
    *_shipped("/usr/lib/{triplet}", "Ubuntu *development branch*", "Pop!_OS [0-9]*", "Zorin OS [0-9]*"),
    *_shipped("/usr/lib/{triplet}", "elementary OS [0-9]*", "KDE neon *", "TUXEDO OS*"),
    # Debian has a package for each library, and absolute links through /etc/alternatives. Proxmox is Debian.
    *(
        DriverProfile(os_image=name, directory="/usr/lib/{triplet}", usr_root=False, shipped=True)
        for name in ("Debian GNU/Linux *", "LMDE [0-9]*")
    ),
    *_shipped("/usr/lib64", "Red Hat Enterprise Linux [0-9]*", "Red Hat Enterprise Linux Server [0-9]*", complete=True),
    *_shipped("/usr/lib64", "Rocky Linux [0-9]*", "AlmaLinux [0-9]*", "AlmaLinux Kitten [0-9]*", complete=True),
    *_shipped("/usr/lib64", "CentOS Linux [0-9]*", "CentOS Stream [0-9]*", "Oracle Linux *", complete=True),
    *_shipped("/usr/lib64", "Amazon Linux 2", "Amazon Linux 2 *", "Amazon Linux 2023*"),
    # Layered packages of the atomic variants, and images that include the driver, use the same directory.
    *_shipped("/usr/lib64", "Fedora Linux [0-9]*", "Fedora [0-9]*", "Nobara Linux*"),
    *_shipped("/usr/lib64", "Bazzite*", "Bluefin*", "Aurora*"),
    *_shipped("/usr/lib64", "SUSE Linux *", "openSUSE *"),
    *_shipped("/usr/lib64", "openEuler [0-9]*", "Kylin Linux Advanced Server *", "Anolis OS *"),
    *_shipped("/usr/lib64", "Alibaba Cloud Linux *", "Aliyun Linux *", "TencentOS *"),
    *_shipped("/usr/lib64", "Gentoo*"),
    # nvidia-utils is the one package; /usr/lib64 is a link to lib, so that a driver root finds it too.
    *_shipped("/usr/lib", "Arch Linux", "Manjaro Linux*", "EndeavourOS*", "CachyOS*", "Garuda Linux*"),
    DriverProfile(os_image="NixOS*", directory="/run/opengl-driver/lib", usr_root=False, shipped=True),
)


# Where the device plugin looks below its driver root, as far as it is in /usr.
# Source: https://github.com/NVIDIA/k8s-device-plugin/blob/v0.18.2/cmd/nvidia-device-plugin/root.go
ROOT_DIRECTORIES = frozenset({"/usr/lib64", *(f"/usr/lib/{triplet}" for triplet in TRIPLETS.values())})


@dataclass(frozen=True, slots=True)
class HostDriver:
    """The driver of one node: the directory of its libraries, and the loader's triplet for that architecture.

    ``complete`` vouches for all default libraries, otherwise only for NVML. ``nvml_suffices`` is false where NVML
    cannot work with its own file alone (WSL2).
    """

    directory: str
    triplet: str
    complete: bool
    nvml_suffices: bool = True


def host_driver(host: Host, profiles: Iterable[DriverProfile]) -> HostDriver | None:
    """Return where a node keeps its driver's libraries, None where no profile tells."""
    triplet, profile = TRIPLETS.get(host.architecture), _profile(host, profiles)
    if profile is None or triplet is None or not profile.directory:
        return None
    return HostDriver(profile.directory.replace("{triplet}", triplet), triplet, profile.complete, not is_wsl(host))


def usr_root_works(host: Host, own: Iterable[DriverProfile] = ()) -> bool | None:
    """Say whether a driver root with the host's ``/usr`` lets a device plugin find NVML; None where it is not known.

    The plugin searches below its driver root by itself, in some directories. ``own`` are the administrator's profiles:
    one that names another directory says no. A plugin with such a mount starts in any case.
    """
    if special_host(host) is not None or host.architecture not in TRIPLETS:
        return False
    profile = _profile(host, DEFAULT_PROFILES)
    works = profile.usr_root if profile else None
    chosen = host_driver(host, own)
    if chosen is None or works is False:
        return works
    usual = host_driver(host, DEFAULT_PROFILES)
    if usual is not None and chosen.directory == usual.directory:
        return works
    return chosen.directory in ROOT_DIRECTORIES


def _profile(host: Host, profiles: Iterable[DriverProfile]) -> DriverProfile | None:
    found = next((profile for profile in profiles if profile.matches(host)), None)
    return None if found is not None and found.shipped and special_host(host) is not None else found


class HostDrivers:
    """The drivers of many nodes: nodes that report the same are looked up once."""

    def __init__(self, profiles: tuple[DriverProfile, ...]) -> None:
        self._profiles = profiles
        self._keys = sorted({key for profile in profiles for key in profile.node_labels})
        self._known: dict[tuple[str | None, ...], HostDriver | None] = {}

    def of(self, host: Host) -> HostDriver | None:
        """Return what ``host_driver`` does."""
        special = special_host(host)
        kind = special.name if special else None
        facts = (host.os_image, host.kernel, host.architecture, kind, *map(host.labels.get, self._keys))
        if facts not in self._known:
            self._known[facts] = host_driver(host, self._profiles)
        return self._known[facts]
