"""Rules for the first question about a plugin pod: does it need a patch."""

from collections.abc import Iterable, Iterator

from webhook.decide.decision import Reason
from webhook.decide.nodes.known_facts import why_default
from webhook.decide.nodes.operator_nodes import operator_provider
from webhook.decide.plugin.context import PluginContext
from webhook.decide.plugin.gpu_evidence import gpu_evidence
from webhook.decide.pod import Container, runtime_class_name
from webhook.decide.rule import Rule, RuleResult, leave, leaves
from webhook.nvidia.gpu_resources import offers_gpus
from webhook.nvidia.known_plugins import Role
from webhook.nvidia.plugin_settings import asks_remote_engine, plugin_settings
from webhook.nvidia.plugin_support import driver_root_provides_nvml
from webhook.nvidia.special_hosts import has_own_plugin, serves_pods
from webhook.observations.plugin_observation import PluginState
from webhook.view.plugin_projections import driver_roots, nvml_directory
from webhook.view.view import Node, Nvml, PluginPod


def _author_provides(context: PluginContext) -> RuleResult | None:
    if name := runtime_class_name(context.base.pod):
        return leave(Reason.AUTHOR_CHOSE, f"the pod names the RuntimeClass {name}")
    for container in context.containers:
        directory = nvml_directory(context.base.spec, container.spec)
        if directory and not (_is_uncertain(context, container.spec) and _is_blind(context, Nvml.MOUNT)):
            return leave(Reason.NVML_PROVIDED, f"the pod mounts NVML from {directory}")
    if context.containers and all(_asks_others(context, container) for container in context.containers):
        return leave(Reason.NVML_PROVIDED, "the exporter asks a DCGM service, so it needs no NVML")
    return None


def _asks_others(context: PluginContext, container: Container) -> bool:
    return context.roles[container.pointer] is Role.EXPORTER and asks_remote_engine(container.spec)


def _is_uncertain(context: PluginContext, spec: object) -> bool:
    """Say whether the pod has a driver root of the author's, and its version may be too old for that."""
    container = spec if isinstance(spec, dict) else {}
    has_root = bool(driver_roots(context.base.spec, container))
    return has_root and driver_root_provides_nvml(plugin_settings(container)) is None


def _is_blind(context: PluginContext, nvml: Nvml) -> bool:
    return context.observed(nvml) is PluginState.BLIND


AUTHOR_PROVIDES = Rule(
    name="author provides",
    text="A RuntimeClass that the author set is kept, and so is the author's own mount of NVML, or a remote engine.",
    check=_author_provides,
    evidence=lambda _: ["the pod names no RuntimeClass and mounts no NVML that its plugin finds"],
    outcomes=(
        leaves(
            Reason.NVML_PROVIDED,
            "a plugin pod that mounts the driver itself, or that finds its GPUs on such nodes without a patch",
        ),
    ),
)


def _recipe_off(context: PluginContext) -> RuleResult | None:
    if context.policy.bootstrap.recipe != "off":
        return None
    return leave(Reason.RECIPE_OFF, "the policy's bootstrap.recipe is off")


def recipe_evidence(context: PluginContext) -> Iterator[str]:
    """Yield the recipe that the policy asks for."""
    yield f"the policy's bootstrap.recipe is {context.policy.bootstrap.recipe}"


RECIPE_OFF = Rule(
    name="recipe off",
    text="The policy may leave plugin pods alone.",
    check=_recipe_off,
    evidence=recipe_evidence,
    outcomes=(leaves(Reason.RECIPE_OFF, "a plugin pod; the policy's `bootstrap.recipe` is off"),),
)


def _node_unknown(context: PluginContext) -> RuleResult | None:
    if context.node_name:
        return None
    return leave(Reason.NODE_UNKNOWN, "the pod's affinity does not name exactly one node")


NODE_UNKNOWN = Rule(
    name="node unknown",
    text="The recipe depends on the node, which the DaemonSet controller names.",
    check=_node_unknown,
    evidence=lambda context: [f"the pod is for node {context.node_name}"],
    outcomes=(leaves(Reason.NODE_UNKNOWN, "a plugin pod whose affinity does not name exactly one node"),),
)


def _not_needed(context: PluginContext) -> RuleResult | None:
    why = _without_us(context)
    return None if not why or _is_blind_here(context) else leave(Reason.NVML_PROVIDED, why)


def _without_us(context: PluginContext) -> str:
    """Return what shows that the pod finds NVML on its node as it is, empty for nothing."""
    node, state = context.node, context.observed(Nvml.NEITHER)
    if node is None or state is PluginState.BLIND:
        return ""
    if state is PluginState.HEALTHY:
        return f"pods of DaemonSet {context.daemon_set} find their GPU without a patch on nodes like {node.name}"
    if node.default_runtime.startswith("nvidia"):
        return f"{node.name} was started with the default runtime {node.default_runtime}"
    return why_default(node.name, context.facts) or _by_platform(context, node)


def _by_platform(context: PluginContext, node: Node) -> str:
    """Return who makes NVIDIA's runtime the default on a GPU node, empty where that is not known."""
    if not gpu_evidence(context.base, node.name, context.facts):
        return ""
    if serves_pods(node) and not has_own_plugin(node):
        return f"the platform of {node.name} makes NVIDIA's runtime the default on GPU nodes"
    operator = operator_provider(context.base.view, node, has_other_plugin=True)
    is_default = operator is Reason.PLATFORM_PROVIDES
    return f"the GPU Operator makes NVIDIA's runtime the default on {node.name}" if is_default else ""


def _is_blind_here(context: PluginContext) -> bool:
    """Say whether this node shows the contrary: a capacity of zero, or a pod that runs and finds no GPU."""
    capacity, is_gpu_resource = (context.node.capacity if context.node else {}), context.policy.is_gpu_resource
    if offers_gpus(capacity, is_gpu_resource) is not False:
        return False
    return any(map(is_gpu_resource, capacity)) or any(map(_runs_as_it_is, _pods_here(context)))


def _pods_here(context: PluginContext) -> Iterable[PluginPod]:
    return (
        pod
        for pod in (context.base.view.plugin_pods or {}).values()
        if (pod.node, pod.plugin.namespace, pod.owner_name)
        == (context.node_name, context.namespace, context.daemon_set)
    )


def _runs_as_it_is(pod: PluginPod) -> bool:
    return pod.running and not pod.patched and pod.plugin.nvml is Nvml.NEITHER


def _need_evidence(context: PluginContext) -> Iterator[str]:
    state = context.observed(Nvml.NEITHER)
    yield f"pods of DaemonSet {context.daemon_set} without our patch on such nodes: {state or 'not observed'}"
    if _without_us(context):
        yield f"{context.node_name} has no GPU in its capacity, so its plugin finds none"


NOT_NEEDED = Rule(
    name="patch not needed",
    text="Where the DaemonSet's pods find their GPU on such nodes without us, no privilege is added.",
    check=_not_needed,
    evidence=_need_evidence,
)


def _class_mismatch(context: PluginContext) -> RuleResult | None:
    name = _other_class(context)
    if not name:
        return None
    why = f"the plugin is healthy under RuntimeClass {name}, and the policy names {context.policy.runtime_class}"
    warning = f"the plugin works under RuntimeClass {name}: set `runtimeClass: {name}` in the policy"
    return leave(Reason.CLASS_MISMATCH, why, warning)


def _other_class(context: PluginContext) -> str:
    """Return another NVIDIA class under which plugin pods are healthy on such nodes, empty for none.

    Where some are healthy under the policy's class too, both work.
    """
    if context.node is None:
        return ""
    host, namespaces = context.node.host, context.policy.bootstrap.namespaces
    healthy = {
        key.runtime_class
        for key, observation in context.base.view.observations.entries.items()
        if observation.state is PluginState.HEALTHY and key.host == host and key.namespace in namespaces
    }
    if context.policy.runtime_class in healthy:
        return ""
    return next((name for name in sorted(healthy) if _is_nvidia_class(context, name)), "")


def _is_nvidia_class(context: PluginContext, name: str) -> bool:
    classes = context.base.view.runtime_classes
    if not name or (classes is not None and name not in classes):
        # A class that is gone is history.
        return False
    return "nvidia" in name or (classes is not None and "nvidia" in classes[name].handler)


CLASS_MISMATCH = Rule(
    name="class mismatch",
    text="Where the plugin works under another NVIDIA class than the policy's, the policy names the wrong one.",
    check=_class_mismatch,
    evidence=lambda _: ["plugin pods on such nodes are not healthy under another NVIDIA class alone"],
)
