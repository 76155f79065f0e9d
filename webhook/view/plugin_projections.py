"""NVIDIA's device plugin, as pods and DaemonSets show it: where it is, and how it got its library (NVML).

What the labels and containers are, and which names plugins go by in the field, as read in their manifests.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from posixpath import basename, dirname, normpath
from typing import Any

from webhook.cluster.drivers import is_driver_directory
from webhook.kube.containers import host_paths
from webhook.kube.metadata import controlling_owner, labels_of, metadata, name_of
from webhook.kube.values import EMPTY, elements, items, mapping, text
from webhook.policy.model import Policy
from webhook.view.view import Nvml, Plugin, PluginDaemonSet, PluginPod


class Role(StrEnum):
    """What a GPU management pod is for. Only the device plugin tells how GPUs are handed out."""

    DEVICE_PLUGIN = "device-plugin"
    FEATURE_DISCOVERY = "feature-discovery"
    MPS_DAEMON = "mps-daemon"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class KnownPlugin:
    """One way in which GPU management pods are found in the field: a label, and the container that it is about.

    ``manager`` names who looks after such pods and would undo what others change, empty for nobody; ``of_platform``
    says that such a plugin brings the driver into pods by itself.
    """

    label: str
    value: str
    containers: frozenset[str]
    role: Role = Role.DEVICE_PLUGIN
    manager: str = ""
    of_platform: bool = False

    def matches(self, labels: Mapping[str, str], container: Mapping[str, Any]) -> bool:
        """Say whether a pod's labels and one of its containers are this plugin's."""
        # A mirrored image keeps neither registry nor name, so the container's name tells, or its command.
        return labels.get(self.label) == self.value and (
            text(container.get("name")) in self.containers
            or (self.role is Role.DEVICE_PLUGIN and PLUGIN_COMMAND in map(basename, _words(container)))
        )


PLUGIN_COMMAND = "nvidia-device-plugin"
CHART_LABEL = "app.kubernetes.io/name"

KNOWN_PLUGINS = (
    KnownPlugin("name", "nvidia-device-plugin-ds", frozenset({"nvidia-device-plugin-ctr"})),
    KnownPlugin(CHART_LABEL, "nvidia-device-plugin", frozenset({"nvidia-device-plugin-ctr"})),
    KnownPlugin(CHART_LABEL, "nvidia-device-plugin", frozenset({"gpu-feature-discovery-ctr"}), Role.FEATURE_DISCOVERY),
    KnownPlugin(CHART_LABEL, "nvidia-device-plugin", frozenset({"mps-control-daemon-ctr"}), Role.MPS_DAEMON),
    KnownPlugin(CHART_LABEL, "gpu-feature-discovery", frozenset({"gpu-feature-discovery"}), Role.FEATURE_DISCOVERY),
    KnownPlugin(CHART_LABEL, "dcgm-exporter", frozenset({"dcgm-exporter", "exporter"}), Role.OTHER),
    KnownPlugin("app.kubernetes.io/component", "hami-device-plugin", frozenset({"device-plugin"})),
    KnownPlugin(
        "app", "nvidia-device-plugin-daemonset", frozenset({"nvidia-device-plugin"}), manager="the GPU Operator"
    ),
    KnownPlugin(
        "k8s-app",
        "nvidia-gpu-device-plugin",
        frozenset({"nvidia-gpu-device-plugin"}),
        manager="GKE",
        of_platform=True,
    ),
)

NVML_LIBRARY = "libnvidia-ml.so"
STRATEGY_VARIABLE, STRATEGY_FLAG = "DEVICE_LIST_STRATEGY", "--device-list-strategy"
SPECS_VARIABLE, SPECS_FLAG = "PASS_DEVICE_SPECS", "--pass-device-specs"
CONFIG_VARIABLE, CONFIG_FLAG = "CONFIG_FILE", "--config-file"
ROOT_VARIABLE = "NVIDIA_DRIVER_ROOT"
DEFAULT_STRATEGY = frozenset({"envvar"})
SHELLS = frozenset({"sh", "ash", "bash", "dash"})
BOOTSTRAP_VOLUME = "gpu-injector-nvml"
"""The volume by which we give plugins their library."""

ApiObject = Mapping[str, Any]


def known_plugins(policy: Policy) -> tuple[KnownPlugin, ...]:
    """Return the plugins that are known, the administrator's first."""
    rules = (
        KnownPlugin(rule.label, rule.value, frozenset({rule.container}), Role(rule.role))
        for rule in policy.bootstrap.plugins
    )
    return (*rules, *KNOWN_PLUGINS)


def find_plugin(
    pod: ApiObject, known: Iterable[KnownPlugin] = KNOWN_PLUGINS
) -> tuple[KnownPlugin, tuple[int, ...]] | None:
    """Return which plugin a pod (or template) is, and the indices of its containers that are; None for no plugin."""
    labels, containers = labels_of(pod), elements(mapping(pod.get("spec")).get("containers"))
    for plugin in known:
        found = tuple(
            index for index, item in enumerate(containers) if isinstance(item, dict) and plugin.matches(labels, item)
        )
        if found:
            return plugin, found
    return None


@dataclass(frozen=True, slots=True)
class PluginProjection:
    """How pods and DaemonSets of known plugins are projected; ``known`` are the plugins."""

    known: tuple[KnownPlugin, ...] = KNOWN_PLUGINS

    def keeps(self, item: ApiObject) -> bool:
        """Say whether a pod, or a DaemonSet's template, is a known plugin's: labels and container both match."""
        return find_plugin(template_of(item), self.known) is not None

    def pod(self, item: ApiObject) -> PluginPod:
        """Keep of a plugin's pod its place, its state, and how it got NVML."""
        status, spec = mapping(item.get("status")), mapping(item.get("spec"))
        ready = any(
            condition.get("type") == "Ready" and condition.get("status") == "True"
            for condition in items(status.get("conditions"))
        )
        return PluginPod(
            plugin=self._plugin(item, item),
            uid=text(metadata(item).get("uid")),
            node=text(spec.get("nodeName")),
            owner=daemon_set_uid(item),
            running=status.get("phase") == "Running" and "deletionTimestamp" not in metadata(item),
            ready=ready,
        )

    def daemon_set(self, item: ApiObject) -> PluginDaemonSet:
        """Keep of a plugin's DaemonSet its UID, its template, how that gets NVML, and the nodes that it is for."""
        template = template_of(item)
        spec = mapping(template.get("spec"))
        placement = {key: spec[key] for key in ("nodeSelector", "affinity", "tolerations") if spec.get(key)}
        return PluginDaemonSet(self._plugin(item, template), text(metadata(item).get("uid")), placement, template)

    def _plugin(self, item: ApiObject, pod: ApiObject) -> Plugin:
        spec = mapping(pod.get("spec"))
        found = find_plugin(pod, self.known)
        container: Mapping[str, Any] = elements(spec.get("containers"))[found[1][0]] if found else EMPTY
        directory = nvml_directory(spec, container)
        runtime_class = text(spec.get("runtimeClassName"))
        return Plugin(
            namespace=text(metadata(item).get("namespace")),
            name=name_of(item),
            hands_out_gpus=found is not None and found[0].role is Role.DEVICE_PLUGIN,
            runtime_class=runtime_class,
            nvml=Nvml.MOUNT if directory else Nvml.CLASS if runtime_class else Nvml.NEITHER,
            nvml_directory=directory,
            list_strategies=list_strategies(container),
            passes_devices=passes_devices(container),
            of_platform=found is not None and found[0].of_platform,
            bootstrapped=any(mount.get("name") == BOOTSTRAP_VOLUME for mount in items(container.get("volumeMounts"))),
        )


def nvml_directory(spec: Mapping[str, Any], container: Mapping[str, Any]) -> str:
    """Return the host's directory from which a container mounts NVML, empty where it mounts none.

    That is a mount of the library itself, of a directory with the driver's libraries, or of a driver's root together
    with the variable that names it.
    """
    mounted = list(host_paths(spec, container))
    for path in mounted:
        if basename(path).startswith(NVML_LIBRARY):
            return dirname(path)
    roots = [text(item.get("value")) for item in items(container.get("env")) if item.get("name") == ROOT_VARIABLE]
    return next((path for path in mounted if is_driver_directory(path) or (roots and _is_root(path, roots[-1]))), "")


def _is_root(path: str, root: str) -> bool:
    return normpath(path) == normpath(root or "/") or "nvidia" in path or "driver" in path


def _is_configured(container: Mapping[str, Any]) -> bool:
    """Say whether a configuration file, or a source outside the pod, decides what flags and variables leave open."""
    variables = {text(variable.get("name")) for variable in items(container.get("env"))}
    return bool(CONFIG_VARIABLE in variables or container.get("envFrom") or _flag(container, CONFIG_FLAG) is not None)


def _is_open(container: Mapping[str, Any]) -> bool:
    """Say whether what flags and variables do not say is unknown; a script may start the plugin with other flags."""
    return _is_configured(container) or any(basename(word) in SHELLS for word in _words(container))


def list_strategies(container: Mapping[str, Any]) -> frozenset[str] | None:
    """Return the plugin's device list strategies; None where the pod does not tell."""
    setting = _setting(container, STRATEGY_FLAG, STRATEGY_VARIABLE)
    if setting is None:
        return None if _is_open(container) else DEFAULT_STRATEGY
    return frozenset(part.strip() for part in setting.split(",") if part.strip()) or None


def passes_devices(container: Mapping[str, Any]) -> bool | None:
    """Say whether the plugin's container passes device nodes to pods; None where the pod does not tell."""
    setting = _setting(container, SPECS_FLAG, SPECS_VARIABLE)
    if setting is None:
        return None if _is_open(container) else False
    return {"true": True, "1": True, "false": False, "0": False}.get(setting.lower())


def sets_device_specs(container: Mapping[str, Any]) -> bool:
    """Say whether the author decides, somehow, whether device nodes are passed."""
    return _is_configured(container) or _setting(container, SPECS_FLAG, SPECS_VARIABLE) is not None


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
    words = list(_words(container))
    for index, word in enumerate(words):
        if word.startswith(flag + "="):
            return word.partition("=")[2]
        if word == flag:
            following = words[index + 1] if index + 1 < len(words) else "--"
            return "true" if following.startswith("-") else following
    return None


def _words(container: Mapping[str, Any]) -> Iterator[str]:
    return (text(word) for field in ("command", "args") for word in elements(container.get(field)))


def template_of(item: ApiObject) -> ApiObject:
    """Return the pod itself, or the template of a DaemonSet."""
    return mapping(mapping(item.get("spec")).get("template")) or item


def daemon_set_uid(item: ApiObject) -> str:
    """Return the UID of the DaemonSet that controls a pod, empty where none does."""
    owner = controlling_owner(item)
    is_daemon_set = owner.get("kind") == "DaemonSet" and text(owner.get("apiVersion")).startswith("apps/")
    return text(owner.get("uid")) if is_daemon_set else ""
