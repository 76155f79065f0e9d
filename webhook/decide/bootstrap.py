"""The decision for a plugin pod: whether it gets what it needs to find the driver, and in which way.

Pure, as the decision for workloads.
"""

from collections.abc import Callable, Iterator

from webhook.decide import rows_of_plugin
from webhook.decide.annotate import annotation_operation
from webhook.decide.case import Case, RequestFacts
from webhook.decide.decision import Decision, Finding, Reason, Verdict, warning_line
from webhook.decide.patch import Operation
from webhook.decide.plugin_case import PluginCase
from webhook.decide.pod import Pod
from webhook.decide.recipes import class_operations, nvml_operations
from webhook.decide.rows_of_pod import is_dry_run
from webhook.policy.model import Policy
from webhook.view.view import ClusterView

ROWS: tuple[Callable[[PluginCase], Finding | None], ...] = (
    rows_of_plugin.not_a_plugin,
    rows_of_plugin.opted_out,
    rows_of_plugin.not_allowed,
    rows_of_plugin.untrusted,
    rows_of_plugin.operator_managed,
    rows_of_plugin.reinvocation,
    rows_of_plugin.author_provides,
    rows_of_plugin.recipe_off,
    rows_of_plugin.node_unknown,
    rows_of_plugin.no_gpu_evidence,
    rows_of_plugin.user_namespaces,
    rows_of_plugin.runtime_class,
    rows_of_plugin.class_only,
    rows_of_plugin.pod_security,
    rows_of_plugin.nvml,
)


def decide_bootstrap(pod: Pod, facts: RequestFacts, policy: Policy, view: ClusterView) -> Decision:
    """Decide what becomes of a plugin pod; never raises on any JSON object as pod."""
    case = PluginCase.of(Case.of(pod, facts, policy, view))
    found = next(finding for row in ROWS if (finding := row(case)))
    dry_run = is_dry_run(case.base)
    return Decision(
        verdict=found.verdict,
        reason=found.reason,
        operations=tuple(_operations(case, found)),
        warnings=tuple(_warnings(found, case, dry_run=dry_run)),
        evidence=found.evidence,
        dry_run=dry_run,
    )


def _operations(case: PluginCase, found: Finding) -> Iterator[Operation]:
    if case.plugin is None or not case.base.facts.is_pod_creation:
        return
    if (found.verdict, found.reason) == (Verdict.BOOTSTRAP, Reason.RUNTIME_CLASS):
        yield from class_operations(case.base.pod, case.base.policy)
    elif found.verdict is Verdict.BOOTSTRAP:
        yield from nvml_operations(case.base.pod, case.containers, case.library, case.plugin.role)
    if not case.base.facts.is_template:
        yield from annotation_operation(case.base.pod, f"{found.verdict}/{found.reason}")


def _warnings(found: Finding, case: PluginCase, *, dry_run: bool) -> Iterator[str]:
    if found.warning:
        yield warning_line(found.warning)
    if dry_run and found.verdict is Verdict.BOOTSTRAP:
        yield warning_line(f"dry-run: would bootstrap {case.node_name} by {found.reason}")
