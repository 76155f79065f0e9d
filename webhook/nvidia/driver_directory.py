"""The directory of the driver's libraries on one node, by the driver profiles."""

from collections.abc import Iterable
from dataclasses import dataclass

from webhook.nvidia.driver_profiles import DEFAULT_PROFILES, DriverProfile
from webhook.nvidia.special_hosts import TRIPLETS, Host, is_wsl, special_host

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
