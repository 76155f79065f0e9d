"""Driver profiles: where NVIDIA's driver keeps its user-space libraries on kinds of hosts; the first match wins.

A profile is for hosts with a driver in one well-known place. Hosts of webhook/nvidia/special_hosts.py match no shipped
profile, whatever their system is called. Sources: docs/platform-facts.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from webhook.kube.values import empty_mapping
from webhook.nvidia.special_hosts import Host


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
