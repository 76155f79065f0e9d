"""The decision for a GPU pod: the first rule that applies decides."""

from collections.abc import Iterator

from webhook.decide.annotate import annotation_operation
from webhook.decide.decision import Decision, RequestInfo, Verdict
from webhook.decide.patch import Operation
from webhook.decide.pod import Pod
from webhook.decide.rule import Rule, RuleResult, first_result
from webhook.decide.warning_text import warning_line
from webhook.decide.workload.context import RuleContext
from webhook.decide.workload.hidden_gpus import hides_gpus, own_choices
from webhook.decide.workload.patch_libraries import mount_operations
from webhook.decide.workload.patch_runtime_class import inject_operations
from webhook.decide.workload.pod_rules import NO_GPU, NOT_APPLICABLE, OPTED_OUT, TOO_LARGE
from webhook.decide.workload.reinvocation import FOLLOWING, REINVOCATION, changed_since
from webhook.decide.workload.void_env import hide_operations
from webhook.policy.model import Policy
from webhook.view.view import ClusterView

RULES: tuple[Rule[RuleContext], ...] = (
    TOO_LARGE,
    NOT_APPLICABLE,
    OPTED_OUT,
    NO_GPU,
    REINVOCATION,
    *FOLLOWING,
)


def decide(pod: Pod, request: RequestInfo, policy: Policy, view: ClusterView) -> Decision:
    """Decide what to do with a pod. Pure: no clock, no I/O; never raises on any JSON object as pod."""
    context = RuleContext(pod, request, policy, view)
    rule, result = first_result(RULES, context)
    return Decision(
        verdict=result.verdict,
        reason=result.reason,
        operations=(*_operations(context, result), *_annotation(context, result)),
        warnings=tuple(_warnings(context, result)),
        evidence=(*result.evidence, *(changed_since(pod) if rule in FOLLOWING else ())),
        dry_run=context.is_dry_run,
    )


def _operations(context: RuleContext, result: RuleResult) -> Iterator[Operation]:
    if result.verdict is Verdict.INJECT and result.kept:
        yield from hide_operations(context.containers) if hides_gpus(context) else ()
    elif result.verdict is Verdict.INJECT:
        yield from inject_operations(context.pod, context.containers, context.policy)
        yield from hide_operations(context.containers) if hides_gpus(context) else ()
    elif result.verdict is Verdict.MOUNT and not result.kept:
        yield from mount_operations(context.pod, context.gpu_containers, result.files, context.policy)


def _annotation(context: RuleContext, result: RuleResult) -> Iterator[Operation]:
    """Annotate every GPU pod with what was decided."""
    if _concerns_gpus(context) and context.request.is_pod_creation and not context.request.is_template:
        yield from annotation_operation(context.pod, f"{result.verdict}/{result.reason}")


def _concerns_gpus(context: RuleContext) -> bool:
    return context.requests_gpu or context.is_always


def _warnings(context: RuleContext, result: RuleResult) -> Iterator[str]:
    if result.warning:
        yield warning_line(result.warning)
    if result.verdict is Verdict.INJECT:
        yield from map(warning_line, own_choices(context.gpu_containers))
    if not context.is_dry_run or not _concerns_gpus(context):
        return
    if result.verdict is Verdict.LEAVE:
        if not result.warning:
            yield warning_line(f"dry-run: would leave the pod alone ({result.reason})")
        return
    would = f'set runtimeClassName "{context.policy.runtime_class}"'
    if result.verdict is Verdict.MOUNT:
        would = "mount the driver's libraries"
    yield warning_line(f"dry-run: would {would} ({result.reason})")
