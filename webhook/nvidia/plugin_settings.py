"""How a device plugin's container is configured, as its flags and variables show it.

Flags, variables and their defaults: https://github.com/NVIDIA/k8s-device-plugin#configuration-option-details
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from posixpath import basename, normpath
from typing import Any

from webhook.kube.values import items, text
from webhook.nvidia.known_plugins import command_words

STRATEGY_VARIABLE, STRATEGY_FLAG = "DEVICE_LIST_STRATEGY", "--device-list-strategy"
MIG_VARIABLE, MIG_FLAG = "MIG_STRATEGY", "--mig-strategy"
DISCOVERY_VARIABLE, DISCOVERY_FLAG = "DEVICE_DISCOVERY_STRATEGY", "--device-discovery-strategy"
SPECS_VARIABLE, SPECS_FLAG = "PASS_DEVICE_SPECS", "--pass-device-specs"
PREFIX_VARIABLE, PREFIX_FLAG = "CDI_ANNOTATION_PREFIX", "--cdi-annotation-prefix"
# An exporter with these asks a DCGM service, and needs neither NVML nor a GPU.
ENGINE_VARIABLE, ENGINE_FLAGS = "DCGM_REMOTE_HOSTENGINE_INFO", ("--remote-hostengine-info", "-r")
CONFIG_VARIABLE, CONFIG_FLAG = "CONFIG_FILE", "--config-file"
# The driver's root on the host and in the container; the older names of the latter too.
ROOT_SETTINGS = (
    ("NVIDIA_DRIVER_ROOT", "--nvidia-driver-root"),
    ("DRIVER_ROOT_CTR_PATH", "--driver-root-ctr-path"),
    ("CONTAINER_DRIVER_ROOT", "--container-driver-root"),
    ("NVIDIA_DEV_ROOT", "--dev-root"),
)
DRIVER_ROOT = "/driver-root"
DEFAULT_STRATEGY = frozenset({"envvar"})
# The prefix of the annotations that container runtimes read by themselves.
CDI_PREFIX = "cdi.k8s.io/"
SHELLS = frozenset({"sh", "ash", "bash", "dash"})
# Of command and arguments. No real plugin has so many.
MAX_WORDS = 1000


@dataclass(frozen=True, slots=True)
class PluginSettings:
    """What a container's image, flags and variables say; None where the pod does not show the value.

    ``mig_strategy`` is ``none`` and ``discovery_strategy`` empty where they are not set. ``is_configured`` says that a
    configuration file, or a source outside the pod, may set more. ``has_driver_root`` says that the author names a
    driver root, or mounts something at its place in the container.
    """

    image: str
    list_strategies: frozenset[str] | None = DEFAULT_STRATEGY
    mig_strategy: str | None = "none"
    discovery_strategy: str | None = ""
    is_configured: bool = False
    has_driver_root: bool = False


def plugin_settings(container: Mapping[str, Any]) -> PluginSettings:
    """Read the settings of a device plugin's container."""
    return PluginSettings(
        image=text(container.get("image")),
        list_strategies=list_strategies(container),
        mig_strategy=_or_default(container, MIG_FLAG, MIG_VARIABLE, "none"),
        discovery_strategy=_or_default(container, DISCOVERY_FLAG, DISCOVERY_VARIABLE, ""),
        is_configured=is_configured(container),
        has_driver_root=_has_driver_root(container),
    )


def _has_driver_root(container: Mapping[str, Any]) -> bool:
    places = (normpath(text(mount.get("mountPath"))) for mount in items(container.get("volumeMounts")))
    return any(setting_of(container, flag, variable) is not None for variable, flag in ROOT_SETTINGS) or any(
        place == DRIVER_ROOT or place.startswith(DRIVER_ROOT + "/") for place in places
    )


def _or_default(container: Mapping[str, Any], flag: str, variable: str, default: str) -> str | None:
    setting = setting_of(container, flag, variable)
    if setting is None:
        return None if is_open(container) else default
    return setting.strip() or None


def list_strategies(container: Mapping[str, Any]) -> frozenset[str] | None:
    """Return how the plugin passes devices to containers; None where the pod does not show it."""
    setting = setting_of(container, STRATEGY_FLAG, STRATEGY_VARIABLE)
    if setting is None:
        return None if is_open(container) else DEFAULT_STRATEGY
    return frozenset(part.strip() for part in setting.split(",") if part.strip()) or None


def cdi_prefix(container: Mapping[str, Any]) -> str | None:
    """Return the prefix of the plugin's CDI annotations; None where the pod does not show it."""
    return _or_default(container, PREFIX_FLAG, PREFIX_VARIABLE, CDI_PREFIX)


def passes_devices(container: Mapping[str, Any]) -> bool | None:
    """Say whether the plugin's container passes device nodes to pods; None where the pod does not show it."""
    setting = _or_default(container, SPECS_FLAG, SPECS_VARIABLE, "false")
    return {"true": True, "1": True, "false": False, "0": False}.get((setting or "").lower())


def asks_remote_engine(container: Mapping[str, Any]) -> bool:
    """Say whether an exporter gets its figures from a DCGM service outside its container."""
    return any(setting_of(container, flag, ENGINE_VARIABLE) for flag in ENGINE_FLAGS)


def sets_device_specs(container: Mapping[str, Any]) -> bool:
    """Say whether the pod's author decides whether device nodes are passed.

    A configuration file does not count: the plugin takes the variable before the file.
    """
    return bool(container.get("envFrom")) or setting_of(container, SPECS_FLAG, SPECS_VARIABLE) is not None


def is_configured(container: Mapping[str, Any]) -> bool:
    """Say whether a configuration file, or a source outside the pod, decides what flags and variables leave open."""
    variables = {text(variable.get("name")) for variable in items(container.get("env"))}
    return bool(CONFIG_VARIABLE in variables or container.get("envFrom") or _flag(container, CONFIG_FLAG) is not None)


def is_open(container: Mapping[str, Any]) -> bool:
    """Say whether what flags and variables do not say is unknown; a script may start the plugin with other flags."""
    return is_configured(container) or any(basename(word) in SHELLS for word in command_words(container))


def setting_of(container: Mapping[str, Any], flag: str, variable: str) -> str | None:
    """Return the value of a flag, else of a variable; None without both, empty where the pod does not show it."""
    if (value := _flag(container, flag)) is not None:
        return value
    # Of several entries with one name the kubelet uses the last.
    values = [text(entry.get("value")) for entry in items(container.get("env")) if entry.get("name") == variable]
    return values[-1] if values else None


def _flag(container: Mapping[str, Any], flag: str) -> str | None:
    """Return the value of ``--flag=value`` or ``--flag value`` in command and arguments, ``true`` for a bare one.

    Among too many words each flag counts as set, to a value that the pod does not show.
    """
    words = list(islice(command_words(container), MAX_WORDS + 1))
    if len(words) > MAX_WORDS:
        return ""
    for index, word in enumerate(words):
        if word.startswith(flag + "="):
            return word.partition("=")[2]
        if word == flag:
            following = words[index + 1] if index + 1 < len(words) else "--"
            return "true" if following.startswith("-") else following
    return None
