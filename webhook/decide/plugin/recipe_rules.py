"""Rules that choose the recipe for a plugin pod: is a patch needed, does the node have a GPU, is the class enough.

The rules for the recipe ``nvml`` follow in ``nvml_rules``.
"""

from collections.abc import Iterator

from webhook.decide.decision import Reason, Verdict
from webhook.decide.plugin.context import PluginContext
from webhook.decide.plugin.gpu_evidence import evidence_against, gpu_evidence
from webhook.decide.pod import runtime_class_name
from webhook.decide.rule import Outcome, Rule, RuleResult, leave, leaves
from webhook.decide.workload import pod_rules
from webhook.decide.workload.cluster_rules import VIEW_STALE
from webhook.view.plugin_projections import nvml_directory

# How the unnamed default handler is shown.
QUOTES = '""'


def _author_provides(context: PluginContext) -> RuleResult | None:
    if name := runtime_class_name(context.base.pod):
        return leave(Reason.AUTHOR_CHOSE, f"the pod names the RuntimeClass {name}")
    for container in context.containers:
        if directory := nvml_directory(context.base.spec, container.spec):
            return leave(Reason.NVML_PROVIDED, f"the pod mounts NVML from {directory}")
    return None


AUTHOR_PROVIDES = Rule(
    name="author provides",
    text="A RuntimeClass that the author set is kept, and so is the author's own mount of NVML.",
    check=_author_provides,
    evidence=lambda _: ["the pod names no RuntimeClass and mounts no NVML"],
    outcomes=(leaves(Reason.NVML_PROVIDED, "a plugin pod that mounts the driver itself"),),
)


def _recipe_off(context: PluginContext) -> RuleResult | None:
    if context.policy.bootstrap.recipe != "off":
        return None
    return leave(Reason.RECIPE_OFF, "the policy's bootstrap.recipe is off")


def _recipe_evidence(context: PluginContext) -> Iterator[str]:
    yield f"the policy's bootstrap.recipe is {context.policy.bootstrap.recipe}"


RECIPE_OFF = Rule(
    name="recipe off",
    text="The policy may leave plugin pods alone.",
    check=_recipe_off,
    evidence=_recipe_evidence,
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


def _no_gpu_evidence(context: PluginContext) -> RuleResult | None:
    if against := evidence_against(context.node):
        return leave(Reason.NO_GPU_EVIDENCE, against)
    if gpu_evidence(context.base, context.node_name):
        return None
    # Short, so that the line is not cut for a long node name.
    warning = f"no sign of a GPU: kubectl label node {context.node_name} nvidia.com/gpu.present=true"
    return leave(Reason.NO_GPU_EVIDENCE, f"nothing shows that {context.node_name} has a GPU", warning)


NO_GPU_EVIDENCE = Rule(
    name="no gpu evidence",
    text="On a node without a GPU the library is missing, and a pod that waits for it would block its DaemonSet.",
    check=_no_gpu_evidence,
    evidence=lambda context: gpu_evidence(context.base, context.node_name),
    outcomes=(
        leaves(
            Reason.NO_GPU_EVIDENCE,
            "a plugin pod; nothing shows that its node has a GPU for containers",
            "`kubectl label node NAME nvidia.com/gpu.present=true`, then restart the plugin",
        ),
    ),
)

USER_NAMESPACES: Rule[PluginContext] = Rule(
    name="user namespaces",
    text="In a user namespace neither NVIDIA's runtime nor a mount of the host's devices works.",
    check=lambda context: pod_rules.USER_NAMESPACES.check(context.base),
    evidence=lambda context: pod_rules.USER_NAMESPACES.evidence(context.base),
)


def _runtime_class(context: PluginContext) -> RuleResult | None:
    found = context.base.runtime_class
    if context.policy.bootstrap.recipe == "nvml" or found is None or context.node is None:
        return None
    if context.node.handlers is None or found.handler not in context.node.handlers or context.class_misfit:
        return None
    # A class that may be gone would get the pod rejected.
    if stale := VIEW_STALE.check(context.base):
        return stale
    reported = f"{context.node_name} reports the handler {found.handler}"
    evidence = (*gpu_evidence(context.base, context.node_name), reported)
    return RuleResult(Verdict.BOOTSTRAP, Reason.RUNTIME_CLASS, evidence=evidence)


def _handler_evidence(context: PluginContext) -> Iterator[str]:
    name = context.policy.runtime_class
    yield f"RuntimeClass {name} {'exists' if context.base.runtime_class else 'is not known to exist'}"
    handlers = context.node.handlers if context.node else None
    listed = "no handlers"
    if handlers is not None:
        listed = f"the handlers {', '.join(sorted(handler or QUOTES for handler in handlers))}"
    yield f"{context.node_name} reports {listed}"
    if context.class_misfit:
        yield f"RuntimeClass {name} does not fit: {context.class_misfit}"


RUNTIME_CLASS = Rule(
    name="runtime class",
    text="Where the node proves the handler, the class alone is enough, and no privilege is added.",
    check=_runtime_class,
    evidence=_handler_evidence,
    outcomes=(
        Outcome(
            Verdict.BOOTSTRAP,
            Reason.RUNTIME_CLASS,
            "a plugin pod; its node proves the handler, so the RuntimeClass brings the driver",
        ),
    ),
)


def _class_only(context: PluginContext) -> RuleResult | None:
    if context.policy.bootstrap.recipe != "runtime-class":
        return None
    name = context.policy.runtime_class
    if why := context.class_misfit:
        warning = f'RuntimeClass "{name}" does not fit: {why}; pod left alone'
        return leave(Reason.SCHEDULING_CONFLICT, why, warning)
    warning = f'node {context.node_name} does not prove RuntimeClass "{name}"; pod left alone'
    return leave(Reason.HANDLER_UNKNOWN, warning, warning)


CLASS_ONLY = Rule(
    name="class only",
    text="The policy may allow the class and nothing else.",
    check=_class_only,
    evidence=_recipe_evidence,
)
