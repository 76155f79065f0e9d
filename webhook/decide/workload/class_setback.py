"""The class is not set again where Events show that pods with it failed in this namespace."""

from collections.abc import Iterator

from webhook.decide.decision import Reason, Verdict
from webhook.decide.nodes.runtime_handler import HandlerState, handler_evidence
from webhook.decide.rule import Rule, RuleResult, leaves
from webhook.decide.workload.admission_rules import class_changes
from webhook.decide.workload.cluster_rules import MIXED, RUNTIME_CLASS
from webhook.decide.workload.context import RuleContext
from webhook.decide.workload.patch_runtime_class import DRIVER_CAPABILITIES
from webhook.decide.workload.setback_result import is_refused_by_policy, setback
from webhook.decide.workload.void_env import VISIBLE_DEVICES
from webhook.kube.quantity import is_positive
from webhook.nvidia.failure_messages import FailureKind
from webhook.observations.workload_failure import EventReason, WorkloadFailure
from webhook.view.view import RuntimeClass

# The node has the handler, but no program that works behind it.
BROKEN_RUNTIME = frozenset({FailureKind.RUNTIME_MISSING, FailureKind.CDI_HOOK_MISSING, FailureKind.RUNTIME_FAILED})
# Of containers: what NVIDIA's driver reports (``container-cli``) passes by itself, and needs another remedy.
BROKEN_CONTAINER = frozenset({FailureKind.RUNTIME_MISSING, FailureKind.CDI_HOOK_MISSING, FailureKind.CDI_UNRESOLVED})
# What a refusal names that concerns the class: the field, or what the patch and the class add to the pod.
CLASS_WORDS = ("runtimeclass", "overhead", VISIBLE_DEVICES.lower(), DRIVER_CAPABILITIES.lower())


def _class_setback(context: RuleContext) -> RuleResult | None:
    found = context.runtime_class
    failure = next(_failures(context, found), None) if found and context.seen_failures.failures else None
    if failure is None:
        return None
    result = RUNTIME_CLASS.check(context) or MIXED.check(context)
    if result is None or result.verdict is not Verdict.INJECT:
        return None
    return setback(f'RuntimeClass "{context.policy.runtime_class}"', failure, context.request.namespace)


def _failures(context: RuleContext, found: RuntimeClass) -> Iterator[WorkloadFailure]:
    seen = context.seen_failures
    yield from (one for one in seen.on_nodes(EventReason.SANDBOX) if _lacks_runtime(context, found, one))
    yield from (one for one in seen.refusals() if _names_class(context, found, one))
    yield from (one for one in seen.of_siblings() if one.cause and one.cause.kind in BROKEN_CONTAINER)


def _lacks_runtime(context: RuleContext, found: RuntimeClass, failure: WorkloadFailure) -> bool:
    cause = failure.cause
    if cause is None:
        return False
    if cause.kind in BROKEN_RUNTIME:
        # A management pod that runs under the class shows that its runtime works.
        candidates = context.class_candidates
        return not candidates or not all(found.name in item.kind.classes for item in candidates)
    if cause.kind is not FailureKind.HANDLER_UNKNOWN or cause.subject != found.handler:
        return False
    # Proof of the handler is newer than the Event.
    node = context.seen_failures.nodes.get(failure.node)
    if node is not None and node.handlers is not None:
        return found.handler not in node.handlers
    proofs = [handler_evidence(item.kind, found) for item in context.class_candidates]
    return not proofs or any(proof is not HandlerState.PROVEN for proof in proofs)


def _names_class(context: RuleContext, found: RuntimeClass, failure: WorkloadFailure) -> bool:
    text, kind = failure.lowered, failure.cause.kind if failure.cause else None
    if any(word in text for word in CLASS_WORDS) or is_refused_by_policy(
        failure, frozenset(class_changes(context, found)), context.view
    ):
        return True
    if kind is FailureKind.QUOTA:
        # A quota that is used up anyway is no failure of ours: it must limit what the class adds.
        return any(f"{name}=" in text for name, amount in found.overhead.items() if is_positive(amount))
    adds_tolerations = bool(context.added_tolerations) and "toleration" in text
    return adds_tolerations or bool(found.node_selector and ("node label selector" in text or "nodeselector" in text))


CLASS_SETBACK = Rule(
    name="class setback",
    text="Where Events show that pods of this namespace could not start with the class, it is not set again.",
    check=_class_setback,
    evidence=lambda context: context.seen_failures.evidence(),
    outcomes=(
        leaves(
            Reason.SETBACK,
            "a GPU pod: Events show that the same patch failed in this namespace within the last hour; "
            "a plugin pod: the same recipe failed on this node before",
            "resolve what the Event says, then delete it or wait an hour; `gpu-injector doctor` shows both kinds; "
            "`setbacks.workloads: false` ignores Events",
        ),
    ),
)
