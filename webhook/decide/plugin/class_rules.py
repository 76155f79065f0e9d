"""Rules for the recipe ``runtime-class``: does the node have a GPU, and is the RuntimeClass enough.

The rules for the recipes with privileges follow in ``driver_root_rules`` and ``nvml_rules``: see ``choose_recipe``.
"""

from collections.abc import Iterator

from webhook.decide.decision import Reason, Verdict
from webhook.decide.guards import class_change, guard_against
from webhook.decide.nodes.providers import is_overruled
from webhook.decide.plugin.context import PluginContext
from webhook.decide.plugin.gpu_evidence import evidence_against, gpu_evidence
from webhook.decide.plugin.need_rules import recipe_evidence
from webhook.decide.rule import Outcome, Rule, RuleResult, leave, leaves
from webhook.decide.warning_text import ending_with
from webhook.decide.workload import pod_rules
from webhook.decide.workload.admission_rules import overhead_of
from webhook.decide.workload.cluster_rules import VIEW_STALE
from webhook.view.view import RuntimeClass

# How the unnamed default handler is shown.
QUOTES = '""'


def _no_gpu_evidence(context: PluginContext) -> RuleResult | None:
    if gpu_evidence(context.base, context.node_name, context.facts):
        return None
    if against := evidence_against(context.base, context.node_name, context.facts):
        return leave(Reason.NO_GPU_EVIDENCE, against)
    # Short, so that the line is not cut for a long node name.
    warning = f"if it has a GPU: kubectl label node {context.node_name} nvidia.com/gpu.present=true"
    return leave(Reason.NO_GPU_EVIDENCE, f"nothing shows that {context.node_name} has a GPU", warning)


NO_GPU_EVIDENCE = Rule(
    name="no gpu evidence",
    text="On a node without a GPU the library is missing, and a pod that waits for it would block its DaemonSet.",
    check=_no_gpu_evidence,
    evidence=lambda context: gpu_evidence(context.base, context.node_name, context.facts),
    outcomes=(
        leaves(
            Reason.NO_GPU_EVIDENCE,
            "a plugin pod; nothing shows that its node has a GPU for containers",
            "if the node has a GPU: `kubectl label node NAME nvidia.com/gpu.present=true`, then restart the plugin",
        ),
    ),
)

USER_NAMESPACES: Rule[PluginContext] = Rule(
    name="user namespaces",
    text="In a user namespace neither NVIDIA's runtime nor a mount of the host's devices works.",
    check=lambda context: pod_rules.USER_NAMESPACES.check(context.base),
    evidence=lambda context: pod_rules.USER_NAMESPACES.evidence(context.base),
)


def setback_result(context: PluginContext, recipe: str) -> RuleResult | None:
    """Return the result for a recipe that failed on this node before, None where it did not."""
    failed = context.setback(recipe)
    if failed is None:
        return None
    why = f"the recipe {recipe} failed on {context.node_name}: {failed.text}"
    warning = ending_with(f"{recipe} failed on node {context.node_name}; pod left alone: ", failed.text)
    return leave(Reason.SETBACK, why, warning)


def _class_setback(context: PluginContext) -> RuleResult | None:
    found, node = context.base.runtime_class, context.node
    if not context.allows("runtime-class") or found is None or node is None:
        return None
    # A recipe with privileges follows only where the node lacks the handler.
    lacks_handler = node.handlers is not None and found.handler not in node.handlers
    return None if lacks_handler else setback_result(context, "runtime-class")


CLASS_SETBACK = Rule(
    name="class setback",
    text="Where the class failed before, it is not set again, and no privilege takes its place.",
    check=_class_setback,
    evidence=lambda context: [f"the class did not fail on {context.node_name} lately, or the node lacks its handler"],
)


def _runtime_class(context: PluginContext) -> RuleResult | None:
    found = context.base.runtime_class
    if not context.allows("runtime-class") or found is None or context.node is None:
        return None
    proof = _handler_proof(context, found)
    if not proof or context.class_misfit:
        return None
    # A class that may be gone would get the pod rejected.
    if refused := _class_refused(context, found) or VIEW_STALE.check(context.base):
        return refused
    return RuleResult(
        Verdict.BOOTSTRAP,
        Reason.RUNTIME_CLASS,
        evidence=(*gpu_evidence(context.base, context.node_name, context.facts), proof),
    )


def _class_refused(context: PluginContext, found: RuntimeClass) -> RuleResult | None:
    if overhead_of(found) and not is_overruled(Reason.CLASS_OVERHEAD, context.policy):
        why = f"RuntimeClass {found.name} has overhead, for which quota or the node may have no room"
        return leave(Reason.CLASS_OVERHEAD, why, f"{why}; plugin pod left alone")
    guard = guard_against(class_change(found), context.guarded)
    if guard and not is_overruled(guard.reason, context.policy):
        return leave(guard.reason, guard.why, f"{guard.why}; plugin pod left alone")
    return None


def _handler_proof(context: PluginContext, found: RuntimeClass) -> str:
    """Return what proves that the node knows the class's handler, empty for nothing."""
    node = context.node
    if node is None:
        return ""
    if node.handlers is not None:
        return f"{node.name} reports the handler {found.handler}" if found.handler in node.handlers else ""
    return next((f"{name} runs under the class on {node.name}" for name in _running_under(context, found)), "")


def _running_under(context: PluginContext, found: RuntimeClass) -> Iterator[str]:
    """Yield the GPU management pods of trusted DaemonSets that run under the class on the node."""
    namespaces, view = context.policy.bootstrap.namespaces, context.base.view
    trusted = {(item.plugin.namespace, item.uid) for item in (view.daemon_sets or {}).values() if item.uid}
    for pod in (view.plugin_pods or {}).values():
        if pod.node != context.node_name or pod.plugin.runtime_class != found.name or not pod.running:
            continue
        if pod.plugin.namespace in namespaces and (pod.plugin.namespace, pod.owner) in trusted:
            yield pod.plugin.name


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
    evidence=recipe_evidence,
)
