"""The rules of a decision one by one, with the evidence of each: for people who ask why.

A decision does not need this: a rule that does not apply is only asked for its evidence here.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from webhook.decide.decision import Reason, RequestInfo, Verdict
from webhook.decide.nodes.fact_differences import report_lines
from webhook.decide.plugin.class_rules import NO_GPU_EVIDENCE
from webhook.decide.plugin.context import PluginContext
from webhook.decide.plugin.decide import RULES as PLUGIN_RULES
from webhook.decide.pod import Pod
from webhook.decide.rule import Context, Outcome, Rule, RuleResult, leaves
from webhook.decide.workload.cluster_rules import PROVIDED, fallback_context
from webhook.decide.workload.context import RuleContext
from webhook.decide.workload.decide import RULES
from webhook.decide.workload.fallback import FALLBACK_RULES
from webhook.policy.model import Policy
from webhook.view.view import ClusterView, Node

# Kinds of candidate nodes of which the reports are shown.
MAX_REPORTING_NODES = 8
# The server's own answer: no rule gives it.
PATCH_REFUSED = leaves(
    Reason.PATCH_REFUSED,
    "our patch did not apply when the server tried it; it was not sent",
    "a bug: please report it with the pod",
)


@dataclass(frozen=True, slots=True)
class Step:
    """One rule: its name, its sentence for users, the evidence, and its result (None: it did not apply).

    A rule that was not ``tried``, because one before it had decided, has no evidence.
    """

    name: str
    text: str
    evidence: tuple[str, ...] = ()
    result: RuleResult | None = None
    tried: bool = True


def explain(pod: Pod, request: RequestInfo, policy: Policy, view: ClusterView) -> tuple[Step, ...]:
    """Return the rules of ``decide`` for the same arguments; the fallback's rules take the place of its own."""
    context = RuleContext(pod, request, policy, view)
    steps = list(_steps(RULES, context))
    if steps[-1].tried:
        steps[-1:] = _steps(FALLBACK_RULES, fallback_context(context))
    return _with_reports(steps, PROVIDED.name, _candidate_nodes(context), context)


def explain_plugin(pod: Pod, request: RequestInfo, policy: Policy, view: ClusterView) -> tuple[Step, ...]:
    """Return the rules of ``decide_plugin`` for the same arguments."""
    context = PluginContext.of(pod, request, policy, view)
    nodes = [context.node] if context.node else []
    return _with_reports(_steps(PLUGIN_RULES, context), NO_GPU_EVIDENCE.name, nodes, context.base)


def _with_reports(steps: Iterable[Step], rule: str, nodes: Iterable[Node], context: RuleContext) -> tuple[Step, ...]:
    """Add what nodes report by themselves to the evidence of a rule, if it was tried."""
    return tuple(
        replace(
            step,
            evidence=tuple(dict.fromkeys((*step.evidence, *report_lines(context.view, tuple(nodes), context.policy)))),
        )
        if step.tried and step.name == rule
        else step
        for step in steps
    )


def _candidate_nodes(context: RuleContext) -> Iterator[Node]:
    for item in context.served_candidates[:MAX_REPORTING_NODES]:
        if node := (context.view.nodes or {}).get(item.example):
            yield node


def outcomes() -> list[Outcome]:
    """Return every decision with its explanation, by verdict: patches first, then by reason."""
    found = (*_outcomes(RULES), *_outcomes(FALLBACK_RULES), *_outcomes(PLUGIN_RULES), PATCH_REFUSED)
    order = [Verdict.INJECT, Verdict.MOUNT, Verdict.BOOTSTRAP, Verdict.LEAVE]
    return sorted(found, key=lambda item: (order.index(item.verdict), item.reason))


def _outcomes(rules: Iterable[Rule[Context]]) -> Iterator[Outcome]:
    return (outcome for rule in rules for outcome in rule.outcomes)


def _steps(rules: Iterable[Rule[Context]], context: Context) -> Iterator[Step]:
    result: RuleResult | None = None
    for rule in rules:
        if result:
            yield Step(rule.name, rule.text, tried=False)
            continue
        result = rule.check(context)
        yield Step(rule.name, rule.text, result.evidence if result else tuple(rule.evidence(context)), result)
