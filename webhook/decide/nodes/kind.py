"""What a decision reads of a node: what it offers, its driver, and how its device plugin works."""

from collections.abc import Iterator
from typing import NamedTuple

from webhook.decide.nodes.trusted_plugins import TrustedPlugins
from webhook.kube.label_selector import has_labels
from webhook.kube.quantity import is_positive
from webhook.nvidia.driver_profiles import DEFAULT_PROFILES, DriverProfile, HostDriver, HostDrivers
from webhook.policy.model import Policy
from webhook.view.view import ClusterView, Node, Nvml, Taint

# https://github.com/NVIDIA/gpu-feature-discovery#generated-labels
GPU_LABEL = ("nvidia.com/gpu.present", "true")
# https://docs.nvidia.com/datacenter/cloud-native/gpu-operator/latest/gpu-operator-kubevirt.html
WORKLOAD_LABEL = "nvidia.com/gpu.workload.config"
VERSION_LABEL = "nvidia.com/cuda.driver-version.full"


class NodeKind(NamedTuple):
    """What a decision reads of a node; nodes with equal values are the same to it.

    ``plugin_runs`` says that the device plugin's pod runs on the node, ``plugin_healthy`` that it also registered GPUs;
    ``nvml`` and what follows is that plugin's, None where none is known. ``classes`` are the RuntimeClasses under which
    GPU management pods run there.
    """

    offers: frozenset[str]
    taints: tuple[Taint, ...]
    handlers: frozenset[str] | None
    is_docker: bool
    driver: HostDriver | None
    driver_version: str
    plugin_class: str = ""
    classes: frozenset[str] = frozenset()
    plugin_runs: bool = False
    plugin_healthy: bool = False
    nvml: Nvml | None = None
    nvml_directory: str = ""
    list_strategies: frozenset[str] | None = None
    passes_devices: bool | None = None
    of_platform: bool = False
    bootstrapped: bool = False


def nodes_of_interest(view: ClusterView, policy: Policy) -> Iterator[tuple[Node, NodeKind]]:
    """Yield the nodes that people ask about: nodes with a GPU now or earlier, and nodes on which a plugin runs."""
    trusted, drivers = TrustedPlugins.of(view, policy), HostDrivers(profiles(policy))
    for node in (view.nodes or {}).values():
        has_resource = any(map(policy.is_gpu_resource, node.capacity))
        if has_resource or node.name in trusted.device_plugins or is_labelled_gpu_node(node, policy):
            yield node, node_kind(node, offered_gpus(node, policy), trusted, drivers)


def offered_gpus(node: Node, policy: Policy) -> frozenset[str]:
    """Return the GPU resources of which a node offers any."""
    return frozenset(
        name for name, amount in node.allocatable.items() if policy.is_gpu_resource(name) and is_positive(amount)
    )


def is_labelled_gpu_node(node: Node, policy: Policy) -> bool:
    """Say whether labels show that a node has a GPU: NVIDIA's feature discovery, NFD, or the policy's own."""
    if is_for_virtual_machines(node):
        return False
    if node.labels.get(GPU_LABEL[0]) == GPU_LABEL[1]:
        return True
    if policy.bootstrap.gpu_nodes and has_labels(node.labels, policy.bootstrap.gpu_nodes):
        return True
    # NFD names PCI devices by class and vendor; NVIDIA's vendor is 10de.
    return any(
        key.startswith("feature.node.kubernetes.io/pci-")
        and "10de" in key
        and key.endswith(".present")
        and node.labels[key] == "true"
        for key in node.labels
    )


def is_for_virtual_machines(node: Node) -> bool:
    """Say whether the GPU Operator gives the node's GPUs to virtual machines (``vm-passthrough``, ``vm-vgpu``)."""
    return node.labels.get(WORKLOAD_LABEL, "").startswith("vm-")


def node_kind(node: Node, offers: frozenset[str], trusted: TrustedPlugins, drivers: HostDrivers) -> NodeKind:
    """Return what a decision reads of a node that offers these GPU resources."""
    plugin, pod = trusted.device_plugin(node), trusted.device_plugins.get(node.name)
    runs = pod is not None and pod.running
    return NodeKind(
        offers=offers,
        taints=node.taints,
        handlers=node.handlers,
        is_docker=node.runtime.startswith("docker://"),
        driver=drivers.of(node),
        driver_version=node.labels.get(VERSION_LABEL, ""),
        plugin_class=plugin.runtime_class if plugin else "",
        classes=trusted.classes.get(node.name, frozenset()),
        plugin_runs=runs,
        plugin_healthy=runs and pod is not None and pod.ready and bool(offers),
        nvml=plugin.nvml if plugin else None,
        nvml_directory=plugin.nvml_directory if plugin else "",
        list_strategies=plugin.list_strategies if plugin else None,
        passes_devices=plugin.passes_devices if plugin else None,
        of_platform=plugin is not None and plugin.of_platform,
        bootstrapped=plugin is not None and plugin.bootstrapped,
    )


def profiles(policy: Policy) -> tuple[DriverProfile, ...]:
    """Return the driver profiles, the administrator's first."""
    own = (DriverProfile(**driver.model_dump()) for driver in policy.drivers)
    return (*own, *DEFAULT_PROFILES)
