"""NVIDIA's device plugin, as pods and DaemonSets show it: where it is, and how it got its library (NVML).

The labels, containers and names of plugins are those of their published manifests.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from posixpath import basename, dirname, normpath
from sys import intern
from typing import Any

from webhook.kube.containers import host_mounts, host_paths
from webhook.kube.metadata import controlling_owner, metadata, name_of, namespace_of
from webhook.kube.values import EMPTY, elements, items, mapping, text
from webhook.names import BOOTSTRAP_VOLUME, DECISION_KEY, ROOT_VOLUME, VOLUME_PREFIX
from webhook.nvidia.known_plugins import KNOWN_PLUGINS, KnownPlugin, Role
from webhook.nvidia.own_driver_mounts import is_driver_directory
from webhook.nvidia.plugin_settings import DRIVER_ROOT, cdi_prefix, list_strategies, passes_devices, plugin_settings
from webhook.nvidia.plugin_support import driver_root_provides_nvml
from webhook.policy.model import Policy
from webhook.view.pod_status import pod_start, ready_condition, restart_count, waiting_reason
from webhook.view.recorded_time import parse_time
from webhook.view.view import Nvml, Plugin, PluginDaemonSet, PluginPod

NVML_LIBRARY = "libnvidia-ml.so"
ROOT_VARIABLE = "NVIDIA_DRIVER_ROOT"
PLACE_VARIABLES = ("DRIVER_ROOT_CTR_PATH", "CONTAINER_DRIVER_ROOT")
BOOTSTRAPPED = "bootstrap/"
"""The start of the decision on a plugin's pod that we patched."""

ApiObject = Mapping[str, Any]


def known_plugins(policy: Policy) -> tuple[KnownPlugin, ...]:
    """Return the known plugins, the administrator's own first."""
    rules = (
        KnownPlugin(rule.label, rule.value, frozenset({rule.container}), Role(rule.role))
        for rule in policy.bootstrap.plugins
    )
    return (*rules, *KNOWN_PLUGINS)


def find_plugin(
    pod: ApiObject, known: Iterable[KnownPlugin] = KNOWN_PLUGINS
) -> tuple[KnownPlugin, tuple[int, ...]] | None:
    """Return which plugin a pod (or template) is, and the indices of its containers that are; None for no plugin."""
    labels, containers = mapping(metadata(pod).get("labels")), elements(mapping(pod.get("spec")).get("containers"))
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
        """Keep of a plugin's pod its place, its state, our patch, and how it got NVML."""
        status, spec = mapping(item.get("status")), mapping(item.get("spec"))
        ready = ready_condition(status)
        owner = daemon_set_owner(item)
        decision = text(mapping(metadata(item).get("annotations")).get(DECISION_KEY))
        plugin = self._plugin(item, item)
        return PluginPod(
            plugin=plugin,
            uid=text(metadata(item).get("uid")),
            node=text(spec.get("nodeName")),
            owner=intern(text(owner.get("uid"))),
            running=status.get("phase") == "Running" and "deletionTimestamp" not in metadata(item),
            ready=ready.get("status") == "True",
            owner_name=intern(text(owner.get("name"))),
            decision=intern(decision),
            patched=decision.startswith(BOOTSTRAPPED) or _has_our_volume(spec),
            phase=intern(text(status.get("phase"))),
            waiting=waiting_reason(status, plugin.container),
            restarts=restart_count(status),
            ready_since=parse_time(ready.get("lastTransitionTime")),
            recipe=intern(_recipe(decision, spec)),
            start=pod_start(status, spec, plugin.container),
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
        # A driver root of ours has no directory: the plugin finds NVML below it by itself.
        mounts = items(container.get("volumeMounts"))
        bootstrapped = any(mount.get("name") in (BOOTSTRAP_VOLUME, ROOT_VOLUME) for mount in mounts)
        runtime_class = text(spec.get("runtimeClassName"))
        return Plugin(
            namespace=intern(namespace_of(item)),
            name=name_of(item),
            hands_out_gpus=found is not None and found[0].role is Role.DEVICE_PLUGIN,
            runtime_class=runtime_class,
            nvml=Nvml.MOUNT if directory or bootstrapped else Nvml.CLASS if runtime_class else Nvml.NEITHER,
            nvml_directory=directory,
            list_strategies=list_strategies(container),
            passes_devices=passes_devices(container),
            of_platform=found is not None and found[0].of_platform,
            bootstrapped=bootstrapped,
            role=found[0].role if found else Role.OTHER,
            cdi_prefix=cdi_prefix(container),
            container=intern(text(container.get("name"))),
        )


def _recipe(decision: str, spec: Mapping[str, Any]) -> str:
    """Return the recipe of our patch, empty where the pod lacks what the recipe adds: anyone can write annotations."""
    verdict, _, recipe = decision.partition("/")
    is_there = bool(spec.get("runtimeClassName")) if recipe == "runtime-class" else _has_our_volume(spec)
    return recipe if f"{verdict}/" == BOOTSTRAPPED and is_there else ""


def _has_our_volume(spec: Mapping[str, Any]) -> bool:
    return any(text(volume.get("name")).startswith(VOLUME_PREFIX) for volume in items(spec.get("volumes")))


def nvml_directory(spec: Mapping[str, Any], container: Mapping[str, Any]) -> str:
    """Return the host's directory from which a container mounts NVML, empty where it mounts none.

    That is a mount of the library itself, of a directory with the driver's libraries, or of a driver root. A plugin
    that is known to be too old for a driver root does not find NVML there.
    """
    mounted = list(host_paths(spec, container))
    for path in mounted:
        if basename(path).startswith(NVML_LIBRARY):
            return dirname(path)
    roots = driver_roots(spec, container)
    if roots and driver_root_provides_nvml(plugin_settings(container)) is not False:
        return roots[0]
    return next((path for path in mounted if is_driver_directory(path) and path not in roots), "")


def driver_roots(spec: Mapping[str, Any], container: Mapping[str, Any]) -> list[str]:
    """Return the host's directories that the author mounts as the driver's root.

    The plugin looks at ``/driver-root``, or where a variable says. NVIDIA_DRIVER_ROOT names the root on the host, but
    authors also write the place in the container there.
    """
    values = {text(item.get("name")): text(item.get("value")) for item in items(container.get("env"))}
    roots = (DRIVER_ROOT, *(normpath(values[name]) for name in PLACE_VARIABLES if values.get(name)))

    def is_root(path: str, mount: Mapping[str, Any]) -> bool:
        place = normpath(text(mount.get("mountPath")))
        is_named = ROOT_VARIABLE in values and _is_root(path, values[ROOT_VARIABLE])
        return is_named or any(place == root or place.startswith(root + "/") for root in roots)

    return [
        path
        for path, mount in host_mounts(spec, container)
        if not text(mount.get("name")).startswith(VOLUME_PREFIX) and is_root(path, mount)
    ]


def _is_root(path: str, root: str) -> bool:
    return normpath(path) == normpath(root or "/") or "nvidia" in path or "driver" in path


def template_of(item: ApiObject) -> ApiObject:
    """Return the pod itself, or the template of a DaemonSet."""
    return mapping(mapping(item.get("spec")).get("template")) or item


def daemon_set_uid(item: ApiObject) -> str:
    """Return the UID of the DaemonSet that controls a pod, empty where none does."""
    return text(daemon_set_owner(item).get("uid"))


def daemon_set_owner(item: ApiObject) -> Mapping[str, Any]:
    """Return the reference to the DaemonSet that controls a pod, empty where none does."""
    owner = controlling_owner(item)
    is_daemon_set = owner.get("kind") == "DaemonSet" and text(owner.get("apiVersion")).startswith("apps/")
    return owner if is_daemon_set else EMPTY
