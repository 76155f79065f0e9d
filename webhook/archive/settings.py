"""The variables and arguments of containers of which a value is kept: those that decisions read, with known values."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from posixpath import basename
from typing import Any

from webhook.archive.free_text import HIDDEN
from webhook.kube.values import elements, items, mapping, text
from webhook.nvidia.device_plugins import NVIDIA_PLUGINS
from webhook.nvidia.known_plugins import PLUGIN_COMMAND
from webhook.nvidia.plugin_settings import (
    CONFIG_FLAG,
    DISCOVERY_FLAG,
    DISCOVERY_VARIABLE,
    MIG_FLAG,
    MIG_VARIABLE,
    PREFIX_FLAG,
    PREFIX_VARIABLE,
    ROOT_SETTINGS,
    SHELLS,
    SPECS_FLAG,
    SPECS_VARIABLE,
    STRATEGY_FLAG,
    STRATEGY_VARIABLE,
)
from webhook.view.default_runtime import FLAG as DEFAULT_RUNTIME_FLAG
from webhook.view.gpu_operator import SET_AS_DEFAULT

BOOLEAN = r"(?i:true|false|t|f|yes|no|on|off|[01])"
STRATEGIES = r"(?:envvar|volume-mounts|cdi-annotations|cdi-cri)"
VALUES: Mapping[str, re.Pattern[str]] = {
    name: re.compile(pattern)
    for names, pattern in (
        ((STRATEGY_VARIABLE, STRATEGY_FLAG), rf"{STRATEGIES}(?: ?, ?{STRATEGIES}){{0,3}}"),
        ((MIG_VARIABLE, MIG_FLAG), r"none|single|mixed"),
        ((DISCOVERY_VARIABLE, DISCOVERY_FLAG), r"auto|nvml|tegra|vfio"),
        ((SPECS_VARIABLE, SPECS_FLAG), BOOLEAN),
        ((PREFIX_VARIABLE, PREFIX_FLAG), r"(?:nvidia\.)?cdi\.k8s\.io/"),
        (("NVIDIA_VISIBLE_DEVICES",), r"all|none|void|\d{1,3}(?:,\d{1,3}){0,15}"),
        (("NVIDIA_DRIVER_CAPABILITIES",), r"(?:all|compute|utility|graphics|video|display|ngx|,){1,15}"),
        (("NVIDIA_MIG_MONITOR_DEVICES", "NVIDIA_MIG_CONFIG_DEVICES"), r"all"),
        (tuple(SET_AS_DEFAULT), BOOLEAN),
        # Where a replica of ours listens.
        (("--port", "--decisions-port", "--admin-port"), r"\d{1,5}"),
        ((DEFAULT_RUNTIME_FLAG,), r"nvidia(?:-(?:cdi|legacy|experimental|container-runtime))?|runc|crun"),
    )
    for name in names
}
# Of these only that they are there is kept, or a path that the pod's mounts show too.
NAMED_FLAGS = frozenset({CONFIG_FLAG, "--cert-dir", *(flag for _, flag in ROOT_SETTINGS)})
PATH_VARIABLES = frozenset(variable for variable, _ in ROOT_SETTINGS)
PROGRAMS = frozenset({PLUGIN_COMMAND, *SHELLS, *(part for part, _ in NVIDIA_PLUGINS if "/" not in part)})


def reduce_env(env: object, paths: Collection[str], hide: Callable[[str], None]) -> list[dict[str, Any]]:
    """Return variables by name; a value only where it is a known one."""
    found: list[dict[str, Any]] = []
    for variable in items(env):
        name, value = text(variable.get("name")), variable.get("value")
        if "valueFrom" in variable:
            found.append({"name": name, "valueFrom": {}})
        elif value in (None, ""):
            found.append({"name": name} if value is None else {"name": name, "value": ""})
        else:
            kept = _value(name, text(value), paths)
            if kept != value:
                hide(text(value))
            found.append({"name": name, "value": kept})
    return found


def reduce_words(words: object, paths: Collection[str], hide: Callable[[str], None]) -> list[str]:
    """Return the words of a command or its arguments; each that is not known is replaced."""
    found: list[str] = []
    for word, kept in zip(map(text, elements(words)), _words(words, paths), strict=True):
        if kept != word:
            hide(word.partition("=")[2] if word.startswith("--") and "=" in word else word)
        found.append(kept)
    return found


def _words(words: object, paths: Collection[str]) -> Iterator[str]:
    before = ""
    for word in map(text, elements(words)):
        flag, equals, value = word.partition("=")
        if flag in VALUES or flag in NAMED_FLAGS:
            yield f"{flag}={_value(flag, value, paths)}" if equals else flag
        elif before in VALUES or before in NAMED_FLAGS:
            yield _value(before, word, paths)
        else:
            yield _program(word)
        before = "" if equals else word


def _program(word: str) -> str:
    name = basename(word)
    return next((part for part in sorted(PROGRAMS, key=len, reverse=True) if name == part), HIDDEN)


def _value(name: str, value: str, paths: Collection[str]) -> str:
    pattern = VALUES.get(name)
    if value == "" or (pattern is not None and pattern.fullmatch(value)):
        return value
    is_path = name in PATH_VARIABLES or name in NAMED_FLAGS
    return value if is_path and (value == "/" or value in paths) else HIDDEN


def paths_of(spec: Mapping[str, Any]) -> frozenset[str]:
    """Return the paths that a pod's mounts show anyway."""
    volumes = (text(mapping(volume.get("hostPath")).get("path")) for volume in items(spec.get("volumes")))
    mounts = (
        text(mount.get("mountPath"))
        for container in items(spec.get("containers"))
        for mount in items(container.get("volumeMounts"))
    )
    return frozenset((*volumes, *mounts))
