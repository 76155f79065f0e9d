"""Trusted GPU management pods by node, and the DaemonSets for nodes that have no such pod yet."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from webhook.kube.node_affinity import selects, tolerates_all
from webhook.kube.values import items
from webhook.observations.plugin_observation import HostKind, Observation, ObservationKey, Observations, PluginState
from webhook.policy.model import Policy
from webhook.view.view import ClusterView, Node, Nvml, Plugin, PluginDaemonSet, PluginPod


@dataclass(frozen=True, slots=True)
class TrustedPlugins:
    """What trusted plugins show of nodes.

    ``device_plugins`` are pods by node, ``daemon_sets`` those of device plugins; ``classes`` are, by node, the
    RuntimeClasses under which some GPU management pod runs there. ``bare`` are, by kind of node, the last states of
    device plugins with neither a class nor a mount, whether their DaemonSets still exist or not.
    """

    device_plugins: Mapping[str, PluginPod]
    daemon_sets: tuple[PluginDaemonSet, ...]
    classes: Mapping[str, frozenset[str]]
    bare: Mapping[HostKind, PluginState]

    @classmethod
    def of(cls, view: ClusterView, policy: Policy) -> Self:
        """Find the trusted plugins of a view.

        Anyone may label a pod like the plugin. A plugin is trusted if it runs in an allowed namespace and a DaemonSet
        there owns it.
        """
        sets = _in_trusted_namespaces(view, policy)
        owners = {(item.plugin.namespace, item.uid) for item in sets if item.uid}
        pods = [
            pod
            for _, pod in sorted((view.plugin_pods or {}).items())
            if pod.node and (pod.plugin.namespace, pod.owner) in owners
        ]
        others = {(item.plugin.namespace, item.plugin.name) for item in sets if not item.plugin.hands_out_gpus}
        entries = view.observations.entries.items()
        known = [
            (key, found)
            for key, found in entries
            if key.namespace in policy.bootstrap.namespaces and (key.namespace, key.daemon_set) not in others
        ]
        plugins = tuple(item for item in sets if item.plugin.hands_out_gpus)
        return cls(_by_node(pods), plugins, _classes(pods), _bare_states(known))

    def device_plugin(self, node: Node) -> Plugin | None:
        """Return what is known of the device plugin on a node, by its pod or else by the DaemonSet that is for it."""
        if pod := self.device_plugins.get(node.name):
            return pod.plugin
        found = self._placed(node)
        return found.plugin if found else None

    def template(self, node: Node) -> Plugin | None:
        """Return the template of the device plugin on a node: what its pods are without our patch."""
        if pod := self.device_plugins.get(node.name):
            namespace, uid = pod.plugin.namespace, pod.owner
            owned = (item for item in self.daemon_sets if (item.plugin.namespace, item.uid) == (namespace, uid))
            return next((item.plugin for item in owned), None)
        found = self._placed(node)
        return found.plugin if found else None

    def _placed(self, node: Node) -> PluginDaemonSet | None:
        return next((item for item in self.daemon_sets if _is_for(item, node)), None)


def trusted_daemon_sets(view: ClusterView, policy: Policy) -> tuple[PluginDaemonSet, ...]:
    """Return the trusted DaemonSets of device plugins."""
    return tuple(item for item in _in_trusted_namespaces(view, policy) if item.plugin.hands_out_gpus)


def _in_trusted_namespaces(view: ClusterView, policy: Policy) -> list[PluginDaemonSet]:
    namespaces = frozenset(policy.bootstrap.namespaces)
    return [item for _, item in sorted((view.daemon_sets or {}).items()) if item.plugin.namespace in namespaces]


def observed_state(observations: Observations, template: Plugin, node: Node) -> PluginState | None:
    """Return the last state of a DaemonSet's pods without our patch on nodes like this one."""
    return observations.state(
        ObservationKey(template.namespace, template.name, node.host, str(template.nvml), template.runtime_class)
    )


def observed_anywhere(observations: Observations, template: Plugin) -> PluginState | None:
    """Return the last state of a DaemonSet's pods on any kind of node; a healthy one counts more than a blind one."""
    wanted = (template.namespace, template.name, str(template.nvml), template.runtime_class)
    states = {
        item.state
        for key, item in observations.entries.items()
        if (key.namespace, key.daemon_set, key.nvml, key.runtime_class) == wanted
    }
    return PluginState.HEALTHY if PluginState.HEALTHY in states else next(iter(states), None)


def _bare_states(known: Iterable[tuple[ObservationKey, Observation]]) -> Mapping[HostKind, PluginState]:
    """Return the newest state of pods with neither a class nor a mount, by kind of node."""
    bare = ((key.host, found) for key, found in known if key.nvml == Nvml.NEITHER and not key.runtime_class)
    oldest_first = sorted(bare, key=lambda item: item[1].since.timestamp() if item[1].since else 0.0)
    return {host: found.state for host, found in oldest_first}


def _by_node(pods: list[PluginPod]) -> Mapping[str, PluginPod]:
    found: dict[str, PluginPod] = {}
    for pod in pods:
        before = found.get(pod.node)
        # While a DaemonSet is rolled out, an old pod that ended may exist besides the running one.
        if pod.plugin.hands_out_gpus and (before is None or _life(pod) > _life(before)):
            found[pod.node] = pod
    return found


def _life(pod: PluginPod) -> tuple[bool, bool]:
    return pod.running, pod.ready


def _classes(pods: list[PluginPod]) -> Mapping[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for pod in pods:
        if pod.running and pod.plugin.runtime_class:
            found[pod.node] = found.get(pod.node, frozenset()) | {pod.plugin.runtime_class}
    return found


def _is_for(item: PluginDaemonSet, node: Node) -> bool:
    return selects(item.placement, node) and tolerates_all(items(item.placement.get("tolerations")), node.taints)
