"""The admission of a GPU pod: before it is patched, the Events of its namespace are looked at."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from webhook.decide.decision import Decision, Reason, RequestInfo, Verdict
from webhook.decide.pod import Pod
from webhook.kube.metadata import controlling_owner
from webhook.kube.values import text
from webhook.observations.workload_failure import RAY_REFUSALS, EventReason, WorkloadFailure
from webhook.policy.model import Policy
from webhook.server.decide_live import ViewSource, decide_live
from webhook.server.event_lookup import FailureSource
from webhook.view.view import ClusterView

ANNOTATIONS = "/metadata/annotations"
# The API versions of Kubernetes' own controllers of pods.
BUILT_IN = frozenset({"v1", "apps/v1", "batch/v1"})
# Which Events can show that a patch fails.
REASONS = {
    Verdict.INJECT: (EventReason.SANDBOX, EventReason.CONTAINER),
    Verdict.MOUNT: (EventReason.VOLUME, EventReason.CONTAINER),
}


@dataclass(frozen=True, slots=True)
class _WithFailures:
    """The source, with the failures that were found for one namespace."""

    source: ViewSource
    namespace: str
    failures: tuple[WorkloadFailure, ...]

    @property
    def view(self) -> ClusterView:
        return replace(self.source.view, workload_failures={self.namespace: self.failures})

    def object_age_seconds(self, kind: str, name: str) -> float:
        return self.source.object_age_seconds(kind, name)

    def oldest_age_seconds(self) -> float:
        return self.source.oldest_age_seconds()

    async def look(self, kind: str, name: str, timeout_seconds: float) -> bool:
        return await self.source.look(kind, name, timeout_seconds)


async def admit_workload(
    pod: Pod, asked: RequestInfo, policy: Policy, source: ViewSource, events: FailureSource | None
) -> Decision:
    """Decide on a GPU pod; a pod that would be patched is left alone where Events show that the patch fails."""
    decision = await decide_live(pod, asked, policy, source)
    reasons = _reasons(pod, decision) if events and policy.setbacks.workloads else ()
    if events is None or not reasons:
        return decision
    found = await events.failures(asked.namespace, reasons)
    if not found:
        return decision
    again = await decide_live(pod, asked, policy, _WithFailures(source, asked.namespace, found))
    # Failures only take a patch away: the view may have changed meanwhile.
    if again.reason is not Reason.SETBACK:
        return decision
    events.note(decision.verdict, asked.namespace)
    return again


def _reasons(pod: Pod, decision: Decision) -> Collection[EventReason]:
    """Return the reasons of Events to look for; none where nothing but our annotation would be written."""
    of_verdict = REASONS.get(decision.verdict, ())
    if not of_verdict or all(str(one["path"]).startswith(ANNOTATIONS) for one in decision.operations):
        return ()
    return (*of_verdict, *_refusals(controlling_owner(pod)))


def _refusals(owner: Mapping[str, Any]) -> Collection[EventReason]:
    """Return the reasons that a controller gives where its pod is refused; without one, its author reads why."""
    if not owner:
        return ()
    if text(owner.get("apiVersion")) in BUILT_IN:
        return (EventReason.REFUSED,)
    return RAY_REFUSALS if owner.get("kind") == "RayCluster" else (EventReason.REFUSED, EventReason.OPERATOR_REFUSED)
