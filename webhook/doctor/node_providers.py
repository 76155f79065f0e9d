"""The provider of each node's GPUs. Only this module asks the decision's rules about it for doctor."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from webhook.decide.decision import Reason
from webhook.decide.nodes.kind import KindSources, NodeKind, nodes_of_interest
from webhook.decide.nodes.providers import node_provider
from webhook.kube.quantity import is_positive
from webhook.nvidia.gpu_resources import is_sharing_resource, may_be_renamed_gpu
from webhook.policy.model import Policy
from webhook.view.dynamic_resources import ResourceSlice
from webhook.view.view import ClusterView, Node, Nvml

# NVIDIA's DRA driver publishes more than GPUs.
OTHER_DEVICES = "compute-domain"
LEFT_OUT_LABELS = ("nvidia.com/gpu.deploy.operands", "nvidia.com/gpu.deploy.device-plugin")
GKE_LABEL = "cloud.google.com/gke-accelerator"
BOTTLEROCKET = "Bottlerocket"
VIRTUAL_TAINT = "virtual-kubelet.io/provider"
VIRTUAL_LABELS = {"type": ("virtual-kubelet", "kwok"), "kubernetes.azure.com/role": ("virtual-kubelet",)}


class HandedOut(StrEnum):
    """Ways to provide GPUs that are not a reason of a decision."""

    GPU_CLUSTER = "dra (GPUCluster)"
    BY_HOST = "a service of the host"
    BY_SHARING = "a sharing plugin with a resource of its own"


@dataclass(frozen=True, slots=True)
class Providers:
    """The provider of each GPU node by its name; a node that is missing here needs the class or mounts."""

    of_nodes: Mapping[str, str]

    @classmethod
    def of(cls, view: ClusterView, policy: Policy) -> "Providers":
        """Find the providers of all nodes that have, or may have, GPUs."""
        return cls(dict(_providers(view, policy)))

    def of_node(self, node: Node) -> str:
        """Return the provider of a node, empty where none is known."""
        return self.of_nodes.get(node.name, "")


def is_virtual(node: Node) -> bool:
    """Say whether a node is not a machine: a virtual kubelet, or a simulated node."""
    return any(taint.key == VIRTUAL_TAINT for taint in node.taints) or any(
        node.labels.get(key) in values for key, values in VIRTUAL_LABELS.items()
    )


def brings_own_driver(node: Node) -> bool:
    """Say whether a node's system brings the driver into pods, whatever its plugin does: GKE, Bottlerocket."""
    return GKE_LABEL in node.labels or node.os_image.startswith(BOTTLEROCKET)


def is_left_out(node: Node) -> bool:
    """Say whether an administrator keeps the GPU Operator's device plugin away from a node."""
    return any(node.labels.get(label) == "false" for label in LEFT_OUT_LABELS)


def by_dra(provider: str) -> bool:
    """Say whether a node offers its GPUs by ResourceSlices, so that it counts no such resource."""
    return provider in (Reason.DRA, HandedOut.GPU_CLUSTER)


def gpu_drivers(view: ClusterView, policy: Policy) -> frozenset[str]:
    """Return the DRA drivers of the DeviceClasses that serve GPUs; an empty name is a driver that is unknown."""
    classes = (view.device_classes or {}).values()
    return frozenset(item.driver for item in classes if _serves_gpus(item.extended_resource, policy))


def gpu_slices(view: ClusterView, policy: Policy) -> list[ResourceSlice]:
    """Return the ResourceSlices with devices of these drivers."""
    drivers = gpu_drivers(view, policy)
    return [
        item
        for item in (view.resource_slices or {}).values()
        if item.has_devices and (item.driver in drivers or ("" in drivers and OTHER_DEVICES not in item.driver))
    ]


def _providers(view: ClusterView, policy: Policy) -> Iterator[tuple[str, str]]:
    sliced = _nodes_with_devices(view, policy)
    everywhere = "" in sliced
    shared = frozenset(_shared_nodes(view, policy))
    yield from ((name, HandedOut.BY_SHARING) for name in shared)
    for node, kind in nodes_of_interest(KindSources.of(view, policy)):
        if node.name in shared:
            continue
        has_gpus = _has_own_capacity(node, policy)
        found = _provider(node, kind, has_gpus=has_gpus)
        # A platform that brings the driver still needs a plugin that offers the GPUs.
        if found is Reason.PLATFORM_PROVIDES and not kind.offers and not has_gpus:
            found = None
        if found is None and not kind.offers and (everywhere or node.name in sliced):
            found = Reason.DRA
        if found is None and not kind.offers and view.gpu_clusters:
            yield node.name, HandedOut.GPU_CLUSTER
        elif found is None and kind.offers and kind.nvml is None and has_gpus:
            yield node.name, HandedOut.BY_HOST
        elif found is not None:
            yield node.name, found


def _provider(node: Node, kind: NodeKind, *, has_gpus: bool) -> Reason | None:
    """Return what the rules of the decision say about one node."""
    # Capacity tells a plugin whose GPUs are unhealthy from one that finds none.
    if has_gpus and kind.plugin_runs and kind.nvml is Nvml.NEITHER:
        return node_provider(kind) or Reason.PLATFORM_PROVIDES
    if node.default_runtime.startswith("nvidia"):
        return Reason.PLATFORM_PROVIDES
    return node_provider(kind)


def _has_own_capacity(node: Node, policy: Policy) -> bool:
    return any(
        (policy.is_gpu_resource(name) or may_be_renamed_gpu(name)) and is_positive(amount)
        for name, amount in node.capacity.items()
    )


def _shared_nodes(view: ClusterView, policy: Policy) -> Iterator[str]:
    """Yield the nodes whose GPUs are offered under the resource of a sharing plugin alone."""
    for node in (view.nodes or {}).values():
        offers = [name for name, amount in node.allocatable.items() if is_positive(amount)]
        if any(map(is_sharing_resource, offers)) and not any(map(policy.is_gpu_resource, offers)):
            yield node.name


def _nodes_with_devices(view: ClusterView, policy: Policy) -> frozenset[str]:
    """Return the nodes for which a driver that serves GPUs has published devices; an empty name means all nodes."""
    slices = gpu_slices(view, policy)
    return frozenset("" if item.everywhere else item.node for item in slices if item.everywhere or item.node)


def _serves_gpus(resource: str, policy: Policy) -> bool:
    return bool(resource) and policy.is_gpu_resource(resource)
