"""The result for a patch that failed before: the text of the Event, and what resolves it."""

from webhook.decide.decision import Reason, Verdict
from webhook.decide.rule import RuleResult
from webhook.decide.warning_text import ending_with
from webhook.nvidia.failure_messages import FailureKind
from webhook.observations.workload_failure import EventReason, WorkloadFailure
from webhook.view.view import ClusterView

MAX_TEXT = 300
BY_REASON = {
    EventReason.SANDBOX: "configure the runtime on the node, or set `handlerUnknown: fallback` or another "
    "`runtimeClass` in the policy",
    EventReason.VOLUME: "correct `drivers` or `libraries` in the policy, or set `fallback: off`",
    EventReason.CONTAINER: "install what is missing on the node, or label the pod gpu-injector.io/inject=disabled",
}
OF_REFUSALS = "allow the change there, or label the pod or its namespace gpu-injector.io/inject=disabled"


def setback(what: str, failure: WorkloadFailure, namespace: str) -> RuleResult:
    """Return the result that leaves a pod alone because ``what`` failed before."""
    text = failure.text
    evidence = (
        f"{what} failed before, says an Event of {failure.about.kind} {failure.about.name}: {text[:MAX_TEXT]}",
        f"to resolve it: {resolution(failure)}",
        f"to try again at once: kubectl delete events -n {namespace} --field-selector reason={failure.reason}",
    )
    warning = ending_with(f"{what} failed in this namespace; pod left alone: ", text)
    return RuleResult(Verdict.LEAVE, Reason.SETBACK, warning, evidence)


def resolution(failure: WorkloadFailure) -> str:
    """Return which key of the policy, or which label, resolves a failure."""
    return BY_REASON.get(failure.reason, OF_REFUSALS)


def is_refused_by_policy(failure: WorkloadFailure, change: frozenset[str], view: ClusterView) -> bool:
    """Say whether a ValidatingAdmissionPolicy refused a pod that reads what the patch changes; an unknown one may."""
    if failure.cause is None or failure.cause.kind is not FailureKind.ADMISSION_POLICY:
        return False
    policies = view.admission_policies
    policy = policies.get(failure.cause.subject) if policies is not None else None
    return policies is None or (policy is not None and bool(change & policy.mentions))
