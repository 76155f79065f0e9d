"""The decision for a GPU pod: the rows of the design's table in order; the first that finds something wins."""

from collections.abc import Callable, Iterator

from webhook.decide import rows_of_cluster, rows_of_pod
from webhook.decide.annotate import annotation_operation
from webhook.decide.case import Case, RequestFacts
from webhook.decide.decision import Decision, Finding, Verdict, warning_line
from webhook.decide.inject import inject_operations
from webhook.decide.mount import mount_operations, remount_operations
from webhook.decide.patch import Operation
from webhook.decide.pod import Pod
from webhook.policy.model import Policy
from webhook.view.view import ClusterView

ROWS: tuple[Callable[[Case], Finding | None], ...] = (
    rows_of_pod.not_applicable,
    rows_of_pod.opted_out,
    rows_of_pod.no_gpu,
    rows_of_pod.too_many_containers,
    rows_of_pod.reinvocation,
    rows_of_pod.author_chose,
    rows_of_pod.author_mounts,
    rows_of_pod.user_namespaces,
    rows_of_cluster.provided,
    rows_of_cluster.view_stale,
    rows_of_cluster.scheduling_conflict,
    rows_of_cluster.runtime_class,
    rows_of_cluster.mixed,
    rows_of_cluster.fallback,
)


def decide(pod: Pod, facts: RequestFacts, policy: Policy, view: ClusterView) -> Decision:
    """Decide what becomes of a pod. Pure: no clock, no I/O; never raises on any JSON object as pod."""
    case = Case.of(pod, facts, policy, view)
    found = next(finding for row in ROWS if (finding := row(case)))
    dry_run = rows_of_pod.is_dry_run(case)
    return Decision(
        verdict=found.verdict,
        reason=found.reason,
        operations=(*_operations(case, found), *_annotation(case, found)),
        warnings=tuple(_warnings(case, found, dry_run)),
        evidence=found.evidence,
        dry_run=dry_run,
    )


def _operations(case: Case, found: Finding) -> Iterator[Operation]:
    if found.verdict is Verdict.INJECT:
        yield from inject_operations(case.pod, case.containers, case.policy)
    elif found.verdict is Verdict.MOUNT and found.files:
        yield from mount_operations(case.pod, case.gpu_containers, found.files, case.policy)
    elif found.verdict is Verdict.MOUNT:
        yield from remount_operations(case.pod, case.gpu_containers, case.policy)


def _annotation(case: Case, found: Finding) -> Iterator[Operation]:
    """Every GPU pod that we were asked about says what was decided."""
    if case.gpu_containers and case.facts.is_pod_creation and not case.facts.is_template:
        yield from annotation_operation(case.pod, f"{found.verdict}/{found.reason}")


def _warnings(case: Case, found: Finding, dry_run: bool) -> Iterator[str]:  # noqa: FBT001  read once, above
    if found.warning:
        yield warning_line(found.warning)
    if not dry_run or not case.gpu_containers:
        return
    if found.verdict is Verdict.LEAVE:
        if not found.warning:
            yield warning_line(f"dry-run: would leave the pod alone ({found.reason})")
        return
    would = f'set runtimeClassName "{case.policy.runtime_class}"'
    if found.verdict is Verdict.MOUNT:
        would = "mount the driver's libraries"
    yield warning_line(f"dry-run: would {would} ({found.reason})")
