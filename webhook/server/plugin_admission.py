"""The admission of a plugin pod: a recipe is applied only if the stored setbacks are known and allow it."""

from dataclasses import replace
from typing import Protocol

from webhook.decide.annotate import annotation_operation
from webhook.decide.decision import Decision, Reason, RequestInfo, Verdict
from webhook.decide.plugin.decide import decide_plugin
from webhook.decide.pod import Pod
from webhook.decide.warning_text import warning_line
from webhook.policy.model import Policy
from webhook.server.decide_live import LOOK_SECONDS, ViewSource, decide_live

UNKNOWN = "the stored setbacks could not be read in time"
ANNOTATIONS = "/metadata/annotations"


class LiveState(Protocol):
    """Where the setbacks are stored."""

    async def look(self, timeout_seconds: float) -> bool:
        """Read the setbacks into the view; False without an answer."""
        ...


async def admit_plugin(
    pod: Pod, asked: RequestInfo, policy: Policy, source: ViewSource, state: LiveState | None
) -> Decision:
    """Decide on a plugin pod. A patch needs the setbacks as they are stored now: without them the pod is left alone.

    The replica that found a setback stores it and deletes the pod; this replica may not have seen the change yet.
    """
    decision = await decide_live(pod, asked, policy, source, decide_plugin)
    if state is None or decision.verdict is not Verdict.BOOTSTRAP or not _changes_pod(decision):
        return decision
    if await state.look(LOOK_SECONDS):
        return await decide_live(pod, asked, policy, source, decide_plugin)
    evidence, warning = (*decision.evidence, UNKNOWN), warning_line(f"{UNKNOWN}; pod left alone")
    left = replace(decision, verdict=Verdict.LEAVE, reason=Reason.VIEW_STALE, evidence=evidence, warnings=(warning,))
    return replace(left, operations=tuple(annotation_operation(pod, left.word)))


def _changes_pod(decision: Decision) -> bool:
    """Return whether the decision adds to the pod; one that keeps the patch of an earlier call at most annotates."""
    return any(not str(operation["path"]).startswith(ANNOTATIONS) for operation in decision.operations)
