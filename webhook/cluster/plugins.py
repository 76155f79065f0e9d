"""NVIDIA's device plugin, as pods and DaemonSets show it: where it is, and how it got its library (NVML).

What the labels and containers are, and which names plugins go by in the field: facts in docs/plugins.md.
"""

from collections.abc import Iterator, Mapping
from posixpath import basename, dirname
from typing import Any

from webhook.cluster.view import Nvml, Plugin, PluginDaemonSet, PluginPod
from webhook.raw import NOTHING, elements, items, labels_of, mapping, metadata, name_of, text

# Label key to values: NVIDIA's manifest and chart, the GPU Operator, HAMi, GKE.
PLUGIN_LABELS: Mapping[str, frozenset[str]] = {
    "name": frozenset({"nvidia-device-plugin-ds"}),
    "app.kubernetes.io/name": frozenset({"nvidia-device-plugin"}),
    "app": frozenset({"nvidia-device-plugin-daemonset"}),
    "app.kubernetes.io/component": frozenset({"hami-device-plugin"}),
    "k8s-app": frozenset({"nvidia-gpu-device-plugin"}),
}

# A mirrored image keeps neither registry nor name, so the container tells: its name, or its command.
PLUGIN_CONTAINERS = frozenset(
    {"nvidia-device-plugin-ctr", "nvidia-device-plugin", "device-plugin", "nvidia-gpu-device-plugin"}
)
PLUGIN_COMMAND = "nvidia-device-plugin"

NVML_LIBRARY = "libnvidia-ml.so"
STRATEGY_VARIABLE, STRATEGY_FLAG = "DEVICE_LIST_STRATEGY", "--device-list-strategy"
SPECS_VARIABLE, SPECS_FLAG = "PASS_DEVICE_SPECS", "--pass-device-specs"
CONFIG_VARIABLE, CONFIG_FLAG = "CONFIG_FILE", "--config-file"
ROOT_VARIABLE = "NVIDIA_DRIVER_ROOT"
DEFAULT_STRATEGY = frozenset({"envvar"})

ApiObject = Mapping[str, Any]


def is_device_plugin(item: ApiObject) -> bool:
    """Say whether a pod, or a DaemonSet's template, is a device plugin's: labels and container both match."""
    pod = _pod_of(item)
    return _has_plugin_labels(labels_of(pod)) and plugin_container(mapping(pod.get("spec"))) is not None


def plugin_container(spec: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the container that is the plugin, None where there is none."""
    return next((container for container in items(spec.get("containers")) if _is_plugin(container)), None)


def project_plugin_pod(item: ApiObject) -> PluginPod:
    """Keep of a plugin's pod its place, its state, and how it got NVML."""
    status, spec = mapping(item.get("status")), mapping(item.get("spec"))
    ready = any(
        condition.get("type") == "Ready" and condition.get("status") == "True"
        for condition in items(status.get("conditions"))
    )
    return PluginPod(
        plugin=_plugin(item, item),
        node=text(spec.get("nodeName")),
        owner=_daemon_set_uid(item),
        running=status.get("phase") == "Running" and "deletionTimestamp" not in metadata(item),
        ready=ready,
    )


def project_daemon_set(item: ApiObject) -> PluginDaemonSet:
    """Keep of a plugin's DaemonSet its UID, how its template gets NVML, and the nodes that it is for."""
    template = _pod_of(item)
    spec = mapping(template.get("spec"))
    placement = {key: spec[key] for key in ("nodeSelector", "affinity", "tolerations") if spec.get(key)}
    return PluginDaemonSet(_plugin(item, template), text(metadata(item).get("uid")), placement)


def _plugin(item: ApiObject, pod: ApiObject) -> Plugin:
    spec = mapping(pod.get("spec"))
    container = plugin_container(spec) or NOTHING
    configured = _is_configured(container)
    strategies, specs = (
        _setting(container, STRATEGY_FLAG, STRATEGY_VARIABLE),
        _setting(container, SPECS_FLAG, SPECS_VARIABLE),
    )
    directory = nvml_directory(spec, container)
    runtime_class = text(spec.get("runtimeClassName"))
    return Plugin(
        namespace=text(metadata(item).get("namespace")),
        name=name_of(item),
        labels=labels_of(pod),
        runtime_class=runtime_class,
        nvml=Nvml.MOUNT if directory else Nvml.CLASS if runtime_class else Nvml.NEITHER,
        nvml_directory=directory,
        list_strategies=_strategies(strategies, configured),
        passes_devices=_passes_devices(specs, configured),
    )


def nvml_directory(spec: Mapping[str, Any], container: Mapping[str, Any]) -> str:
    """Return the host's directory from which a container mounts NVML, empty where it mounts none.

    That is a mount of the library itself, or of a driver's root together with the variable that names it.
    """
    paths = {
        text(volume.get("name")): text(mapping(volume.get("hostPath")).get("path"))
        for volume in items(spec.get("volumes"))
    }
    mounted = [path for mount in items(container.get("volumeMounts")) if (path := paths.get(text(mount.get("name"))))]
    for path in mounted:
        if basename(path).startswith(NVML_LIBRARY):
            return dirname(path)
    if any(variable.get("name") == ROOT_VARIABLE for variable in items(container.get("env"))):
        return next((path for path in mounted if "nvidia" in path or "driver" in path), "")
    return ""


def _is_configured(container: Mapping[str, Any]) -> bool:
    """Say whether a configuration file decides what flags and variables leave open."""
    variables = {text(variable.get("name")) for variable in items(container.get("env"))}
    # From sources outside the pod anything may come.
    return bool(CONFIG_VARIABLE in variables or container.get("envFrom") or _flag(container, CONFIG_FLAG) is not None)


def _strategies(setting: str | None, configured: bool) -> frozenset[str] | None:  # noqa: FBT001  private
    if setting is None:
        return None if configured else DEFAULT_STRATEGY
    return frozenset(part.strip() for part in setting.split(",") if part.strip()) or None


def _passes_devices(setting: str | None, configured: bool) -> bool | None:  # noqa: FBT001  private
    if setting is None:
        return None if configured else False
    return {"true": True, "1": True, "false": False, "0": False}.get(setting.lower())


def _setting(container: Mapping[str, Any], flag: str, variable: str) -> str | None:
    """Return what a flag says, else a variable; None where neither does, empty where the value is not in the pod."""
    if (value := _flag(container, flag)) is not None:
        return value
    for entry in items(container.get("env")):
        if entry.get("name") == variable:
            return text(entry.get("value"))
    return None


def _flag(container: Mapping[str, Any], flag: str) -> str | None:
    """Return the value of ``--flag=value`` or ``--flag value`` in command and arguments, ``true`` for a bare one."""
    words = [text(word) for field in ("command", "args") for word in elements(container.get(field))]
    for index, word in enumerate(words):
        if word.startswith(flag + "="):
            return word.partition("=")[2]
        if word == flag:
            following = words[index + 1] if index + 1 < len(words) else "--"
            return "true" if following.startswith("-") else following
    return None


def _is_plugin(container: Mapping[str, Any]) -> bool:
    command = (text(word) for field in ("command", "args") for word in elements(container.get(field)))
    return container.get("name") in PLUGIN_CONTAINERS or any(basename(word) == PLUGIN_COMMAND for word in command)


def _has_plugin_labels(labels: Mapping[str, str]) -> bool:
    return any(labels.get(key) in values for key, values in PLUGIN_LABELS.items())


def _pod_of(item: ApiObject) -> ApiObject:
    """Return the pod itself, or the template of a DaemonSet."""
    return mapping(mapping(item.get("spec")).get("template")) or item


def _daemon_set_uid(item: ApiObject) -> str:
    owners: Iterator[Mapping[str, Any]] = items(metadata(item).get("ownerReferences"))
    return next(
        (
            text(owner.get("uid"))
            for owner in owners
            if owner.get("controller") is True
            and owner.get("kind") == "DaemonSet"
            and text(owner.get("apiVersion")).startswith("apps/")
        ),
        "",
    )
