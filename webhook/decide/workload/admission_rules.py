"""Rules about what the class itself would cause: another class is in use, overhead, admission control."""

from collections.abc import Iterator

from webhook.decide.decision import Reason
from webhook.decide.guards import class_change, guard_against, guards_evidence, has_policies
from webhook.decide.nodes.providers import is_overruled
from webhook.decide.rule import Rule, RuleResult, leave, leaves
from webhook.decide.workload.class_fitness import class_mismatch, no_such_class
from webhook.decide.workload.context import RuleContext
from webhook.decide.workload.hidden_gpus import hides_gpus
from webhook.decide.workload.patch_runtime_class import DRIVER_CAPABILITIES
from webhook.decide.workload.void_env import VISIBLE_DEVICES, gets_void
from webhook.kube.quantity import is_positive
from webhook.view.view import RuntimeClass


def _class_mismatch(context: RuleContext) -> RuleResult | None:
    node, other = class_mismatch(context)
    if not other:
        return None
    warning = f'the plugin runs under RuntimeClass "{other}": set runtimeClass to it in the policy; pod left alone'
    return leave(Reason.CLASS_MISMATCH, f"{node}: the device plugin is healthy under RuntimeClass {other}", warning)


def _plugin_classes(context: RuleContext) -> Iterator[str]:
    for item in context.class_candidates:
        name = item.kind.template_class
        yield f"{item.example}: the device plugin {f'runs under RuntimeClass {name}' if name else 'names no class'}"
    if not context.class_candidates:
        yield "no node is known that the pod may run on"


CLASS_MISMATCH = Rule(
    name="class mismatch",
    text="Where the device plugin is healthy under another class, the policy's class may not work.",
    check=_class_mismatch,
    evidence=_plugin_classes,
    outcomes=(
        leaves(
            Reason.CLASS_MISMATCH,
            "the nodes' device plugin is healthy under another NVIDIA class than the policy's",
            "name that class in the policy: `runtimeClass`",
        ),
    ),
)


def overhead_of(found: RuntimeClass) -> str:
    """Return a class's overhead in words, empty where it has none."""
    return ", ".join(f"{name}: {amount}" for name, amount in sorted(found.overhead.items()) if is_positive(amount))


def _class_overhead(context: RuleContext) -> RuleResult | None:
    found = context.runtime_class
    overhead = overhead_of(found) if found else ""
    if found is None or not overhead or is_overruled(Reason.CLASS_OVERHEAD, context.policy):
        return None
    warning = f'RuntimeClass "{found.name}" has overhead: quota or a full node could reject the pod; it was left alone'
    return leave(Reason.CLASS_OVERHEAD, f"RuntimeClass {found.name} adds {overhead}", warning)


def _overhead_evidence(context: RuleContext) -> Iterator[str]:
    found = context.runtime_class
    if found is None:
        yield no_such_class(context)
    else:
        yield f"RuntimeClass {found.name} adds {overhead_of(found) or 'no overhead'}"


CLASS_OVERHEAD = Rule(
    name="class overhead",
    text="The API server adds the class's overhead to the pod before it checks quota.",
    check=_class_overhead,
    evidence=_overhead_evidence,
    outcomes=(
        leaves(
            Reason.CLASS_OVERHEAD,
            "the RuntimeClass has `overhead`: quota or a full node could reject a pod that would run without it",
            "remove the overhead, or `overrule: [class-overhead]`",
        ),
    ),
)


def _class_refused(context: RuleContext) -> RuleResult | None:
    found = context.runtime_class
    # The class gives no access to the host: only a policy that reads the patch could reject it.
    if found is None or not has_policies(context.view) or is_overruled(Reason.ADMISSION_POLICY, context.policy):
        return None
    guard = guard_against(frozenset(class_changes(context, found)), context.guarded)
    return leave(guard.reason, guard.why, f"{guard.why}; pod left alone, it may see no GPU") if guard else None


def class_changes(context: RuleContext, found: RuntimeClass) -> Iterator[str]:
    """Yield what ``inject`` changes in this pod."""
    yield from class_change(found)
    if context.policy.add_toleration:
        yield "tolerations"
    if context.policy.driver_capabilities:
        yield from (DRIVER_CAPABILITIES, "env")
    if hides_gpus(context) and any(map(gets_void, context.containers)):
        yield from (VISIBLE_DEVICES, "env")


CLASS_REFUSED = Rule(
    name="class refused",
    text="Admission control sees the patched pod, and may reject it for its class.",
    check=_class_refused,
    evidence=lambda context: guards_evidence(context.guarded),
    outcomes=(
        leaves(
            Reason.ADMISSION_POLICY,
            "admission control may reject the patched pod: a ValidatingAdmissionPolicy that reads what the patch "
            "changes; for hostPath and privileges also a policy engine, such as Kyverno, Gatekeeper or Kubewarden",
            "allow it there; then `overrule: [admission-policy]` for the class, `hostPathGranted` for mounts, "
            "`bootstrap.privilegedGranted` for plugin pods",
        ),
    ),
)
