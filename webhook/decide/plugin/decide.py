"""The decision for a plugin pod: whether it gets what it needs to find the driver, and by which recipe."""

from collections.abc import Iterator

from webhook.decide.annotate import annotation_operation
from webhook.decide.decision import Decision, Reason, RequestInfo, Verdict
from webhook.decide.patch import Operation
from webhook.decide.plugin.choose_recipe import FOLLOWING
from webhook.decide.plugin.context import PluginContext
from webhook.decide.plugin.patches import class_operations
from webhook.decide.plugin.plugin_reinvocation import REINVOCATION, patch_of
from webhook.decide.plugin.rules import (
    NOT_A_PLUGIN,
    NOT_ALLOWED,
    OPERATOR_MANAGED,
    OPTED_OUT,
    TOO_LARGE,
    UNTRUSTED,
)
from webhook.decide.pod import Pod
from webhook.decide.rule import Rule, RuleResult, first_result
from webhook.decide.warning_text import warning_line
from webhook.decide.workload.reinvocation import changed_since
from webhook.policy.model import Policy
from webhook.view.view import ClusterView

RULES: tuple[Rule[PluginContext], ...] = (
    TOO_LARGE,
    NOT_A_PLUGIN,
    OPTED_OUT,
    NOT_ALLOWED,
    UNTRUSTED,
    OPERATOR_MANAGED,
    REINVOCATION,
    *FOLLOWING,
)


def decide_plugin(pod: Pod, request: RequestInfo, policy: Policy, view: ClusterView) -> Decision:
    """Decide what to do with a plugin pod. Pure, as ``decide``; never raises on any JSON object as pod."""
    context = PluginContext.of(pod, request, policy, view)
    rule, result = first_result(RULES, context)
    return Decision(
        verdict=result.verdict,
        reason=result.reason,
        operations=tuple(_operations(context, result)),
        warnings=tuple(_warnings(context, result)),
        evidence=(*result.evidence, *(changed_since(pod) if rule in FOLLOWING else ())),
        dry_run=context.base.is_dry_run,
    )


def _operations(context: PluginContext, result: RuleResult) -> Iterator[Operation]:
    base, request = context.base, context.base.request
    if context.plugin is None or not request.is_pod_creation:
        return
    if result.verdict is Verdict.BOOTSTRAP and not result.kept:
        if result.reason is Reason.RUNTIME_CLASS:
            yield from class_operations(base.pod, base.policy)
        else:
            yield from patch_of(context, result.reason).operations(base.pod)
    if not request.is_template:
        yield from annotation_operation(base.pod, f"{result.verdict}/{result.reason}")


def _warnings(context: PluginContext, result: RuleResult) -> Iterator[str]:
    if result.warning:
        yield warning_line(result.warning)
    if context.base.is_dry_run and result.verdict is Verdict.BOOTSTRAP:
        yield warning_line(f"dry-run: would bootstrap {context.node_name} by {result.reason}")
