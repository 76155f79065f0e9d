"""The driver's libraries are not mounted again where Events show that the mount failed in this namespace."""

from collections.abc import Iterator

from webhook.decide.guards import MOUNT_CHANGE, PRIVILEGED_CHANGE
from webhook.decide.rule import Rule, RuleResult
from webhook.decide.workload.fallback_context import FallbackContext
from webhook.decide.workload.setback_result import is_refused_by_policy, setback
from webhook.names import VOLUME_PREFIX
from webhook.nvidia.failure_messages import FailureKind
from webhook.observations.workload_failure import EventReason, WorkloadFailure


def _mount_setback(context: FallbackContext) -> RuleResult | None:
    failure = next(_failures(context), None)
    return setback("the library mount", failure, context.guarded.namespace) if failure else None


def _failures(context: FallbackContext) -> Iterator[WorkloadFailure]:
    seen = context.seen_failures
    yield from (one for one in seen.on_nodes(EventReason.VOLUME) if _lacks_file(context, one))
    yield from (one for one in seen.refusals() if _names_mount(context, one))
    yield from (one for one in seen.of_siblings() if _names_file(context, one))


def _lacks_file(context: FallbackContext, failure: WorkloadFailure) -> bool:
    """Say whether a file was missing that would be mounted now; a policy that was corrected names another one."""
    cause = failure.cause
    if cause is None or cause.kind is not FailureKind.HOST_PATH_TYPE or not cause.volume.startswith(VOLUME_PREFIX):
        return False
    return any(cause.subject == file.path for file in context.files)


def _names_mount(context: FallbackContext, failure: WorkloadFailure) -> bool:
    text, privileged = failure.lowered, context.policy.devices == "privileged"
    words = (VOLUME_PREFIX, "hostpath", *(["privileged"] if privileged else []))
    change = PRIVILEGED_CHANGE if privileged else MOUNT_CHANGE
    if any(word in text for word in words) or is_refused_by_policy(failure, change, context.view):
        return True
    return _names_file(context, failure)


def _names_file(context: FallbackContext, failure: WorkloadFailure) -> bool:
    return any(path in failure.message for file in context.files for path in (file.path, *file.places))


MOUNT_SETBACK = Rule(
    name="mount setback",
    text="Where Events show that this mount failed in this namespace, it is not repeated.",
    check=_mount_setback,
    evidence=lambda context: context.seen_failures.evidence(),
)
