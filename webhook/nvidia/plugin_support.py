"""What each version and role of NVIDIA's plugins can do with NVML alone, or with a driver root.

Tried with versions 0.14.5, 0.17.4, 0.18.2 and 0.19.3: docs/platform-facts.md.
"""

import re
from dataclasses import dataclass

from webhook.nvidia.known_plugins import Role
from webhook.nvidia.plugin_settings import PluginSettings

Version = tuple[int, int, int]

# A mirror keeps neither registry nor organisation. Other vendors and forks use the name too, with their own versions.
IMAGE_NAME = "k8s-device-plugin"
OTHER_ORGANISATIONS = frozenset({"4pdosc", "projecthami", "rocm", "volcanosh"})
LONGEST_IMAGE = 1024
# A release, and the base image that older releases name. A release candidate is no release.
TAG = re.compile(r"v?(\d{1,4})\.(\d{1,4})\.(\d{1,4})(?:-(?:ubi|ubuntu|centos|distroless)[a-z0-9.]{0,16})?", re.ASCII)

ROOT_FOR_NVML: Version = (0, 16, 0)
ROOT_FOR_PLATFORM: Version = (0, 18, 1)


def image_version(image: str) -> Version | None:
    """Return the plugin's version from its image's tag; None for a digest, another name, or a tag of another kind."""
    if len(image) > LONGEST_IMAGE or "@" in image:
        return None
    path, _, tag = image.rpartition(":")
    *parents, name = path.split("/")
    if name != IMAGE_NAME or OTHER_ORGANISATIONS.intersection(parents):
        return None
    found = TAG.fullmatch(tag)
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


@dataclass(frozen=True, slots=True)
class DriverRootSupport:
    """Whether a device plugin finds NVML below a driver root that we mount.

    ``discovery_strategy`` is the value of DEVICE_DISCOVERY_STRATEGY to add, empty for none. ``why_not`` is for people,
    empty where it works.
    """

    discovery_strategy: str = ""
    why_not: str = ""

    @property
    def works(self) -> bool:
        """Say whether a driver root makes the plugin work."""
        return not self.why_not


def driver_root_support(role: Role, settings: PluginSettings) -> DriverRootSupport:
    """Say whether the recipe ``driver-root`` works for a plugin's container; what is unknown counts as no."""
    version = image_version(settings.image)
    why_not = _not_supported(role, version, settings)
    if why_not or version is None:
        return DriverRootSupport(why_not=why_not)
    if version >= ROOT_FOR_PLATFORM or settings.discovery_strategy == "nvml":
        return DriverRootSupport()
    return DriverRootSupport(discovery_strategy="nvml")


def _not_supported(role: Role, version: Version | None, settings: PluginSettings) -> str:
    """Return the first reason against a driver root, empty if there is none."""
    is_old = version is None or version < ROOT_FOR_PLATFORM
    strategies = settings.list_strategies
    # Before 0.18.1 the automatic strategy does not look below the root; the author's own value is kept.
    discoveries = ("", "nvml") if is_old else ("", "auto", "nvml")
    reasons = (
        (role is not Role.DEVICE_PLUGIN, "only the device plugin knows a driver root"),
        (version is None, "the image's tag does not tell the plugin's version"),
        (version is not None and version < ROOT_FOR_NVML, "the plugin is older than 0.16"),
        (settings.is_configured, "a configuration file may change the plugin's settings"),
        (settings.has_driver_root, "the plugin has a driver root of its own"),
        (strategies is None, "the pod does not show the device list strategy"),
        (any(name.startswith("cdi-") for name in strategies or ()), "a CDI strategy needs the whole driver"),
        (is_old and settings.mig_strategy not in ("none", "single"), "MIG strategy mixed needs plugin 0.18.1"),
        (settings.discovery_strategy not in discoveries, "the author chose another discovery strategy"),
    )
    return next((why for holds, why in reasons if holds), "")


def driver_root_provides_nvml(settings: PluginSettings) -> bool | None:
    """Say whether the author's own driver root gives the plugin NVML; None where the version is unknown."""
    version = image_version(settings.image)
    if version is None:
        return None
    if version >= ROOT_FOR_PLATFORM:
        return True
    if settings.discovery_strategy is None or settings.is_configured:
        return None
    return version >= ROOT_FOR_NVML and settings.discovery_strategy == "nvml"


def nvml_suffices(role: Role, list_strategies: frozenset[str] | None) -> bool | None:
    """Say whether a plugin's pod works with NVML alone; None where the pod does not show it.

    The MPS control daemon runs programs of the host. With a ``cdi-*`` strategy the device plugin writes a CDI
    specification of the whole driver, and ends if it cannot.
    """
    match role:
        case Role.MPS_CONTROL_DAEMON:
            return False
        case Role.DEVICE_PLUGIN:
            if list_strategies is None:
                return None
            return not any(name.startswith("cdi-") for name in list_strategies)
        case _:
            return True
