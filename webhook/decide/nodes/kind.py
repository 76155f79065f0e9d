"""What a decision reads of a node: what it offers, its driver, and how its device plugin works."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Self

from webhook.decide.decision import Reason
from webhook.decide.nodes.dynamic_devices import DynamicDevices
from webhook.decide.nodes.known_facts import NO_FACTS, KnownFacts, driver_of, facts_by_node
from webhook.decide.nodes.operator_nodes import operator_provider
from webhook.decide.nodes.trusted_plugins import TrustedPlugins, observed_state
from webhook.kube.label_selector import has_labels
from webhook.kube.quantity import is_positive
from webhook.kube.values import EMPTY
from webhook.nvidia.driver_directory import HostDriver, HostDrivers
from webhook.nvidia.driver_profiles import DEFAULT_PROFILES, DriverProfile
from webhook.nvidia.gpu_labels import gpu_labels
from webhook.nvidia.plugin_settings import CDI_PREFIX
from webhook.nvidia.special_hosts import has_own_plugin, is_virtual_node, serves_pods
from webhook.nvidia.startup_taints import is_temporary_taint
from webhook.observations.failed_recipe import Recipe
from webhook.observations.plugin_observation import ObservationKey, PluginState
from webhook.policy.model import Policy
from webhook.view.view import ClusterView, Node, Nvml, Plugin, Taint

# https://github.com/NVIDIA/gpu-feature-discovery#generated-labels
GPU_LABEL = ("nvidia.com/gpu.present", "true")
# https://docs.nvidia.com/datacenter/cloud-native/gpu-operator/latest/gpu-operator-kubevirt.html
WORKLOAD_LABEL = "nvidia.com/gpu.workload.config"
VERSION_LABEL = "nvidia.com/cuda.driver-version.full"
NVIDIA_RUNTIME = "nvidia"


class NodeKind(NamedTuple):
    """What a decision reads of a node; nodes with equal values are the same to it.

    ``offers`` are the GPU resources that a device plugin offers, ``dynamic`` those that DRA serves. ``plugin_runs``
    says that the device plugin's pod runs on the node, ``plugin_healthy`` that it also registered GPUs; ``nvml`` and
    what follows is that plugin's, None where none is known. ``classes`` are the RuntimeClasses under which GPU
    management pods run there. ``template_nvml`` and ``template_class`` are those of the plugin's DaemonSet,
    ``observed`` is how its pods without our patch fared on such nodes, and ``observed_plain`` how those fared that had
    neither a class nor a mount. ``operator`` is how the GPU Operator hands GPUs out on the node. ``class_failed`` says
    that a plugin pod could not start there with the class.
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
    cdi_prefix: str | None = CDI_PREFIX
    passes_devices: bool | None = None
    of_platform: bool = False
    bootstrapped: bool = False
    is_gpu_node: bool = True
    is_cordoned: bool = False
    dynamic: frozenset[str] = frozenset()
    template_nvml: Nvml | None = None
    template_class: str = ""
    observed: PluginState | None = None
    observed_plain: PluginState | None = None
    operator: Reason | None = None
    has_default_runtime: bool = False
    is_virtual: bool = False
    class_failed: bool = False


@dataclass(frozen=True, slots=True)
class KindSources:
    """What the kind of a node depends on besides the node: the view, the policy, and what was read of them once."""

    view: ClusterView
    policy: Policy
    trusted: TrustedPlugins
    drivers: HostDrivers
    devices: DynamicDevices
    facts: Mapping[str, KnownFacts]
    class_failed: frozenset[str]

    @classmethod
    def of(cls, view: ClusterView, policy: Policy) -> Self:
        """Read the sources of a view."""
        return cls(
            view,
            policy,
            TrustedPlugins.of(view, policy),
            HostDrivers(profiles(policy)),
            DynamicDevices.of(view, policy),
            facts_by_node(view),
            failed_with_class(view),
        )

    def known(self, node: Node) -> KnownFacts:
        """Return what a node reports by itself, as far as it counts."""
        return self.facts.get(node.name, NO_FACTS)


def failed_with_class(view: ClusterView) -> frozenset[str]:
    """Return the names of the nodes on which a plugin pod could not start with the class."""
    return view.setbacks.failed_nodes(Recipe.RUNTIME_CLASS, view.nodes or EMPTY)


def nodes_of_interest(sources: KindSources) -> Iterator[tuple[Node, NodeKind]]:
    """Yield the nodes that people ask about: nodes with a GPU now or earlier, and nodes on which a plugin runs."""
    policy = sources.policy
    for node in (sources.view.nodes or {}).values():
        has_resource = any(map(policy.is_gpu_resource, node.capacity))
        shown = has_resource or node.name in sources.trusted.device_plugins
        if shown or has_gpu(node, policy, sources.known(node)):
            yield node, node_kind(node, offered_gpus(node, policy), sources)


def offered_gpus(node: Node, policy: Policy) -> frozenset[str]:
    """Return the GPU resources of which a node offers any."""
    return frozenset(
        name for name, amount in node.allocatable.items() if policy.is_gpu_resource(name) and is_positive(amount)
    )


def is_labelled_gpu_node(node: Node, policy: Policy) -> bool:
    """Say whether labels show that a node has a GPU for containers, or the policy's labels do."""
    found = gpu_labels(node.labels)
    if found.against:
        return False
    own = policy.bootstrap.gpu_nodes
    return found.show_gpu or (bool(own) and has_labels(node.labels, own))


def has_gpu(node: Node, policy: Policy, known: KnownFacts) -> bool:
    """Say whether a node has a GPU for containers: by its own report, or else by its labels."""
    if known.shows_gpu is None:
        return is_labelled_gpu_node(node, policy)
    return known.shows_gpu and not gpu_labels(node.labels).against


def driver_version(node: Node, known: KnownFacts) -> str:
    """Return the version of a node's driver, by its own report or else by its label; empty where not known."""
    return known.driver_version or node.labels.get(VERSION_LABEL, "")


def is_for_virtual_machines(node: Node) -> bool:
    """Say whether the GPU Operator gives the node's GPUs to virtual machines (``vm-passthrough``, ``vm-vgpu``)."""
    return node.labels.get(WORKLOAD_LABEL, "").startswith("vm-")


def node_kind(node: Node, offers: frozenset[str], sources: KindSources) -> NodeKind:
    """Return what a decision reads of a node that offers these GPU resources."""
    known = sources.known(node)
    bare = NodeKind(
        offers=offers,
        taints=_lasting_taints(node, sources.policy),
        handlers=node.handlers,
        is_docker=node.runtime.startswith("docker://"),
        driver=None,
        driver_version="",
        classes=sources.trusted.classes.get(node.name, frozenset()),
        is_gpu_node=False,
        is_cordoned=node.unschedulable,
        has_default_runtime=node.default_runtime.startswith(NVIDIA_RUNTIME) or known.has_nvidia_default,
        is_virtual=is_virtual_node(node.labels, (taint.key for taint in node.taints)),
        class_failed=node.name in sources.class_failed,
    )
    dynamic = sources.devices.on(node.name) - offers
    if offers or has_gpu(node, sources.policy, known):
        return _gpu_kind(node, bare._replace(is_gpu_node=True, dynamic=dynamic), sources)
    return bare._replace(dynamic=dynamic) if dynamic else bare


def _gpu_kind(node: Node, kind: NodeKind, sources: KindSources) -> NodeKind:
    plugin, pod = sources.trusted.device_plugin(node), sources.trusted.device_plugins.get(node.name)
    runs = pod is not None and pod.running
    known = sources.known(node)
    found = kind._replace(
        driver=driver_of(node, known, sources.drivers),
        driver_version=driver_version(node, known),
        plugin_runs=runs,
        plugin_healthy=runs and pod is not None and pod.ready and bool(kind.offers),
        operator=operator_provider(sources.view, node, has_other_plugin=plugin is not None),
    )
    if found.offers and (plugin is None or plugin.nvml is Nvml.NEITHER) and not found.classes and serves_pods(node):
        found = found._replace(has_default_runtime=True)
    if plugin is None:
        return _without_plugin(node, found, sources)
    return _with_template(node, with_plugin(found, plugin), sources)


def _without_plugin(node: Node, kind: NodeKind, sources: KindSources) -> NodeKind:
    knows_nvidia = bool(kind.classes) or any(NVIDIA_RUNTIME in name for name in kind.handlers or ())
    if has_own_plugin(node) and not knows_nvidia:
        return kind._replace(of_platform=True)
    if not kind.offers:
        # A node that a driver of DRA has not reached yet will be served by it.
        return kind._replace(dynamic=kind.dynamic | sources.devices.resources)
    # A device plugin that is not known, or not any more, registered the node's GPUs. Others with nothing in their pods
    # show what such nodes give to every container. Where the node knows NVIDIA's runtime, the class gives the same.
    state = None if knows_nvidia else sources.trusted.bare.get(node.host)
    return kind._replace(template_nvml=Nvml.NEITHER, observed=state) if state is PluginState.HEALTHY else kind


def with_plugin(kind: NodeKind, plugin: Plugin) -> NodeKind:
    """Return a kind with what a device plugin shows."""
    return kind._replace(
        plugin_class=plugin.runtime_class,
        nvml=plugin.nvml,
        nvml_directory=plugin.nvml_directory,
        list_strategies=plugin.list_strategies,
        cdi_prefix=plugin.cdi_prefix,
        passes_devices=plugin.passes_devices,
        of_platform=plugin.of_platform,
        bootstrapped=plugin.bootstrapped,
    )


def _with_template(node: Node, kind: NodeKind, sources: KindSources) -> NodeKind:
    template, observations = sources.trusted.template(node), sources.view.observations
    if template is None:
        return kind
    plain = ObservationKey(template.namespace, template.name, node.host)
    return kind._replace(
        # A mount of ours in the template itself proves no more than one in the pod.
        template_nvml=None if template.bootstrapped else template.nvml,
        template_class=template.runtime_class,
        observed=observed_state(observations, template, node),
        observed_plain=observations.state(plain),
    )


def _lasting_taints(node: Node, policy: Policy) -> tuple[Taint, ...]:
    if not policy.temporary_taints:
        return node.taints
    return tuple(taint for taint in node.taints if not is_temporary_taint(taint.key, policy.temporary_taints))


def profiles(policy: Policy) -> tuple[DriverProfile, ...]:
    """Return the driver profiles, the administrator's first."""
    own = (DriverProfile(**driver.model_dump()) for driver in policy.drivers)
    return (*own, *DEFAULT_PROFILES)
