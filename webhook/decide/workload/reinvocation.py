"""Reinvocation: a pod that already carries a decision of ours, and whether that decision is kept.

Anyone can write our annotation, and volumes that look like ours. So ``mount`` is kept only where the pod without our
volumes would get them now, each of them, by all following rules: then the annotation gains nothing.
"""

from collections.abc import Iterator

from webhook.decide.added_volumes import separate
from webhook.decide.decision import Reason, Verdict
from webhook.decide.pod import Pod, annotations, runtime_class_name
from webhook.decide.rule import Rule, RuleResult, first_result
from webhook.decide.workload.admission_rules import CLASS_MISMATCH, CLASS_OVERHEAD, CLASS_REFUSED
from webhook.decide.workload.class_setback import CLASS_SETBACK
from webhook.decide.workload.cluster_rules import (
    FALLBACK,
    MIXED,
    PROVIDED,
    RUNTIME_CLASS,
    SCHEDULING_CONFLICT,
    VIEW_STALE,
)
from webhook.decide.workload.context import RuleContext
from webhook.decide.workload.patch_libraries import carries_mount, is_our_volume
from webhook.decide.workload.pod_rules import AUTHOR_CHOSE, AUTHOR_MOUNTS, USER_NAMESPACES
from webhook.kube.values import text
from webhook.names import DECISION_KEY

FOLLOWING: tuple[Rule[RuleContext], ...] = (
    AUTHOR_CHOSE,
    AUTHOR_MOUNTS,
    PROVIDED,
    USER_NAMESPACES,
    VIEW_STALE,
    CLASS_MISMATCH,
    SCHEDULING_CONFLICT,
    CLASS_OVERHEAD,
    CLASS_REFUSED,
    CLASS_SETBACK,
    RUNTIME_CLASS,
    MIXED,
    FALLBACK,
)
"""The rules for a pod that carries no decision, or one that is not kept."""

# The annotations of pods that were patched.
PATCHED = {
    f"{verdict}/{reason}": (verdict, reason)
    for verdict in (Verdict.BOOTSTRAP, Verdict.INJECT, Verdict.MOUNT)
    for reason in Reason
}


def changed_since(pod: Pod) -> tuple[str, ...]:
    """Return the evidence that a pod is annotated as patched, but does not contain that patch as written now."""
    word = text(annotations(pod).get(DECISION_KEY))
    if word not in PATCHED:
        return ()
    return (f"changed-since: the pod is annotated {word}, but does not contain exactly what that writes now",)


def _reinvocation(context: RuleContext) -> RuleResult | None:
    verdict, reason = PATCHED.get(text(annotations(context.pod).get(DECISION_KEY)), (None, None))
    if verdict is None or reason is None:
        return None
    kept = RuleResult(verdict, reason, evidence=(f"the pod carries our annotation {verdict}/{reason}",), kept=True)
    if (verdict, reason) == (Verdict.INJECT, Reason.RUNTIME_CLASS):
        # The author may write both, and a replica with another view must not miss containers that were added later.
        return kept if runtime_class_name(context.pod) == context.policy.runtime_class else None
    if verdict is not Verdict.MOUNT:
        return None
    now = _decided_without_ours(context)
    is_same = (now.verdict, now.reason) == (verdict, reason) and carries_mount(context.pod, now.files, context.policy)
    return kept if is_same else None


def _decided_without_ours(context: RuleContext) -> RuleResult:
    bare, _ = separate(context.pod, is_our_volume)
    # A pod that has the mount already keeps it, whatever Events say: to take it away would be another patch.
    without = RuleContext(bare, context.request, context.policy, context.view, ignores_events=True)
    return first_result(FOLLOWING, without)[1]


def _annotation_evidence(context: RuleContext) -> Iterator[str]:
    word = annotations(context.pod).get(DECISION_KEY)
    if word is None:
        yield f"the pod has no annotation {DECISION_KEY}"
    else:
        yield f"the pod's annotation {DECISION_KEY} is {word}, but the pod does not contain what we would write for it"


REINVOCATION = Rule(
    name="reinvocation",
    text="A pod that contains exactly what would be written now keeps its decision; with our class it keeps the class.",
    check=_reinvocation,
    evidence=_annotation_evidence,
)
