"""The nodes that hand out GPUs, grouped by the facts that a decision reads, so that none of them is scanned twice.

A decision asks what *kinds* of nodes a pod may land on. Five thousand nodes are a handful of kinds.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from webhook.cluster.drivers import DEFAULT_PROFILES, DriverProfile, HostDriver, host_driver
from webhook.cluster.view import ClusterView, Node, Nvml, Plugin, PluginDaemonSet, PluginPod, Taint
from webhook.decide.pod import is_positive
from webhook.decide.selectors import has_labels, selects, tolerates_all
from webhook.policy import Policy
from webhook.raw import items

# https://github.com/NVIDIA/gpu-feature-discovery#generated-labels
GPU_LABEL = ("nvidia.com/gpu.present", "true")
VERSION_LABEL = "nvidia.com/cuda.driver-version.full"


@dataclass(frozen=True, slots=True)
class NodeKind:
    """What a decision reads of a node; nodes with equal values are alike to it.

    ``plugin`` is the evidence of the device plugin, None where there is none; ``plugin_runs`` says that its pod runs
    on the node, ``plugin_healthy`` that it also registered GPUs.
    """

    offers: frozenset[str]
    taints: tuple[Taint, ...]
    handlers: frozenset[str] | None
    is_docker: bool
    driver: HostDriver | None
    driver_version: str
    plugin_class: str = ""
    nvml: Nvml | None = None
    nvml_directory: str = ""
    list_strategies: frozenset[str] | None = None
    passes_devices: bool | None = None
    plugin_runs: bool = False
    plugin_healthy: bool = False


@dataclass(frozen=True, slots=True)
class NodeGroup:
    """Nodes of one kind."""

    kind: NodeKind
    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A kind of node that a pod may land on, with one such node to name."""

    kind: NodeKind
    example: str


def candidates(
    view: ClusterView, policy: Policy, spec: Mapping[str, Any], resources: frozenset[str]
) -> tuple[Candidate, ...]:
    """Return the kinds of GPU nodes that a pod's constraints let it land on; ``spec`` is the pod's, or a joined one."""
    tolerations = tuple(items(spec.get("tolerations")))
    return tuple(
        Candidate(group.kind, node.name)
        for group in gpu_nodes(view, policy)
        if (resources <= group.kind.offers or not group.kind.offers)
        # A node that is named is not looked at by the scheduler, so its NoSchedule taints do not count.
        and (spec.get("nodeName") or tolerates_all(tolerations, group.kind.taints))
        and (node := next((node for node in group.nodes if selects(spec, node)), None))
    )


def gpu_nodes(view: ClusterView, policy: Policy) -> tuple[NodeGroup, ...]:
    """Return the groups of nodes that offer a GPU resource, or are labelled as GPU nodes."""
    return _gpu_nodes(_Same(view.nodes), _Same(view.plugin_pods), _Same(view.daemon_sets), _Same(policy))


@dataclass(frozen=True, slots=True, eq=False)
class _Same:
    """A value that is equal to itself alone: what is frozen and large is told apart by identity."""

    value: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)


@lru_cache(maxsize=4)
def _gpu_nodes(nodes: _Same, plugin_pods: _Same, daemon_sets: _Same, policy: _Same) -> tuple[NodeGroup, ...]:
    evidence = _Evidence.of(plugin_pods.value or {}, daemon_sets.value or {}, policy.value)
    known = profiles(policy.value)
    groups: dict[NodeKind, list[Node]] = {}
    for node in (nodes.value or {}).values():
        offers = offered_gpus(node, policy.value)
        if offers or is_labelled_gpu_node(node, policy.value):
            groups.setdefault(_kind(node, offers, evidence, known), []).append(node)
    return tuple(NodeGroup(kind, tuple(members)) for kind, members in groups.items())


def nodes_of_interest(view: ClusterView, policy: Policy) -> Iterator[tuple[Node, NodeKind]]:
    """Yield the nodes that people ask about: the GPU nodes, those that were, and those on which a plugin runs."""
    evidence = _Evidence.of(view.plugin_pods or {}, view.daemon_sets or {}, policy)
    known = profiles(policy)
    for node in (view.nodes or {}).values():
        has_resource = any(map(policy.is_gpu_resource, node.capacity))
        if has_resource or node.name in evidence.pods or is_labelled_gpu_node(node, policy):
            yield node, _kind(node, offered_gpus(node, policy), evidence, known)


def offered_gpus(node: Node, policy: Policy) -> frozenset[str]:
    """Return the GPU resources of which a node offers any."""
    return frozenset(
        name for name, amount in node.allocatable.items() if policy.is_gpu_resource(name) and is_positive(amount)
    )


def is_labelled_gpu_node(node: Node, policy: Policy) -> bool:
    """Say whether labels tell that a node has a GPU: NVIDIA's feature discovery, NFD, or the policy's own."""
    if node.labels.get(GPU_LABEL[0]) == GPU_LABEL[1]:
        return True
    if policy.bootstrap.gpu_nodes and has_labels(node.labels, policy.bootstrap.gpu_nodes):
        return True
    # NFD names PCI devices by class and vendor; NVIDIA's vendor is 10de.
    return any(
        key.startswith("feature.node.kubernetes.io/pci-")
        and "10de" in key
        and key.endswith(".present")
        and value == "true"
        for key, value in node.labels.items()
    )


@dataclass(frozen=True, slots=True)
class _Evidence:
    """The device plugins that are believed: by node, and the DaemonSets for nodes that have no pod of theirs yet."""

    pods: Mapping[str, PluginPod]
    daemon_sets: tuple[PluginDaemonSet, ...]

    @classmethod
    def of(
        cls, pods: Mapping[str, PluginPod], daemon_sets: Mapping[str, PluginDaemonSet], policy: Policy
    ) -> "_Evidence":
        # Anyone may label a pod like the plugin. Believed is what stands in a namespace of the administrator's and
        # belongs to a DaemonSet that exists there.
        believed = tuple(item for item in daemon_sets.values() if item.plugin.namespace in policy.bootstrap.namespaces)
        owners = {(item.plugin.namespace, item.uid) for item in believed if item.uid}
        on_nodes = (pod for pod in pods.values() if pod.node and pod.plugin.hands_out_gpus)
        return cls(
            {pod.node: pod for pod in on_nodes if (pod.plugin.namespace, pod.owner) in owners},
            tuple(item for item in believed if item.plugin.hands_out_gpus),
        )

    def plugin(self, node: Node) -> Plugin | None:
        """Return what is known of the plugin on a node."""
        if pod := self.pods.get(node.name):
            return pod.plugin
        return next(
            (
                item.plugin
                for item in self.daemon_sets
                if selects(item.placement, node)
                and tolerates_all(items(item.placement.get("tolerations")), node.taints)
            ),
            None,
        )


def _kind(node: Node, offers: frozenset[str], evidence: _Evidence, known: tuple[DriverProfile, ...]) -> NodeKind:
    plugin, pod = evidence.plugin(node), evidence.pods.get(node.name)
    facts = NodeKind(
        offers=offers,
        taints=node.taints,
        handlers=node.handlers,
        is_docker=node.runtime.startswith("docker://"),
        driver=host_driver(node, known),
        driver_version=node.labels.get(VERSION_LABEL, ""),
    )
    if plugin is None:
        return facts
    return replace(
        facts,
        plugin_class=plugin.runtime_class,
        nvml=plugin.nvml,
        nvml_directory=plugin.nvml_directory,
        list_strategies=plugin.list_strategies,
        passes_devices=plugin.passes_devices,
        plugin_runs=pod is not None and pod.running,
        plugin_healthy=pod is not None and pod.running and pod.ready and bool(offers),
    )


def profiles(policy: Policy) -> tuple[DriverProfile, ...]:
    """Return the driver profiles, the administrator's first."""
    own = (DriverProfile(**driver.model_dump()) for driver in policy.drivers)
    return (*own, *DEFAULT_PROFILES)
