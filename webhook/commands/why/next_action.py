"""The end of ``why``: what to do next, with real names."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from webhook.commands.shared.needed_rights import rights_lines
from webhook.commands.shared.opt_in import opt_in_command, unknown_setting
from webhook.commands.shared.prediction import DecisionInput, PodVerdict, kind_word
from webhook.decide.decision import Decision, Reason, Verdict
from webhook.decide.explain import outcomes
from webhook.decide.pod import annotations
from webhook.decide.workload.cluster_rules import fallback_context
from webhook.decide.workload.context import RuleContext
from webhook.decide.workload.fallback import FALLBACK_RULES
from webhook.decide.workload.fallback_context import FallbackContext
from webhook.doctor.checks.check_runtime_class import create_class
from webhook.kube.recreate_command import recreate_command, recreate_commands
from webhook.kube.values import EMPTY, mapping, text
from webhook.names import DECISION_KEY, INJECT_KEY

NOTHING = "nothing"
# Commands for so many pods are shown.
SHOWN_COMMANDS = 5
FALLBACK_STEPS = frozenset(rule.name for rule in FALLBACK_RULES)


def next_action(one: PodVerdict, pods: Sequence[Mapping[str, Any]], *, called: bool | None) -> Iterator[str]:
    """Yield the lines of the next action. ``pods`` exist; ``called`` says if the webhook would be called for others."""
    if one.unread:
        yield from _read_more(one)
    elif not one.question.concerns_gpus:
        yield "nothing: the pod requests no GPU"
    elif other := one.if_opted_in:
        yield from _opt_in(one, other, pods)
    elif one.decision.verdict is Verdict.LEAVE:
        yield from _of_reason(one)
    elif called is False:
        yield "see above why the webhook is not called; gpu-injector doctor checks the registration"
    elif one.decision.dry_run:
        yield from _end_dry_run(one.question)
    else:
        yield from _recreate(one, pods) or (NOTHING,)


def _read_more(one: PodVerdict) -> Iterator[str]:
    if one.dry_run and one.dry_run.refusal:
        yield "correct what the API server rejects, or have it allowed: a pod of the controller is rejected, too"
    why = {kind: one.question.situation.unread[kind] for kind in one.unread}
    is_tried = one.dry_run is not None
    yield from tuple(rights_lines(why, "a file of `gpu-injector collect`, for --from", is_tried=is_tried)) or (
        f"try again when these can be read: {', '.join(map(kind_word, one.unread))}",
    )


def _opt_in(one: PodVerdict, other: PodVerdict, pods: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not other.would_change:
        yield f"the namespace is not opted in; if it were: {other.word}"
        if not other.unread:
            yield from _of_reason(other)
        return
    facts = one.question.facts
    labels = (one.question.situation.view.namespaces or EMPTY).get(facts.namespace)
    if setting := unknown_setting(labels):
        yield f'the value "{setting}" of the label {INJECT_KEY} is unknown'
    yield opt_in_command(facts.namespace, labels)
    yield from _recreate(one, pods)


def _recreate(one: PodVerdict, pods: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the commands that re-create the pods which the webhook never saw, or left alone."""
    unseen = [pod for pod in pods if not _is_patched(pod)]
    if not unseen:
        return []
    if one.item.get("kind") in ("Deployment", "StatefulSet", "DaemonSet"):
        return [recreate_command(one.item)]
    return list(recreate_commands(unseen, SHOWN_COMMANDS))


def _is_patched(pod: Mapping[str, Any]) -> bool:
    is_done = mapping(pod.get("status")).get("phase") == "Succeeded"
    return is_done or not text(annotations(pod).get(DECISION_KEY) or Verdict.LEAVE).startswith(Verdict.LEAVE)


def _of_reason(one: PodVerdict) -> Iterator[str]:
    """Yield what the rule of the decision advises."""
    fallback = _fallback_of(one)
    if fallback and one.decision.reason is Reason.RUNTIME_CLASS_MISSING and (names := fallback.providing):
        yield f"do not create the class for {', '.join(names)}: the GPUs there come from another provider"
        yield "limit the pod to these nodes, or to the others, by its nodeSelector"
        return
    if fallback and (handler := fallback.handler_for_class):
        name = one.question.situation.policy.runtime_class
        yield f"every node that the pod may run on has the handler {handler}, and only the class is missing"
        yield "with Helm, set runtimeClass.create=true; or:"
        yield from create_class(name, handler)
        return
    yield _advice(one.decision).replace("label node NAME", f"label node {_node(one)}").replace("`", "")


def _advice(decision: Decision) -> str:
    return next((item.action for item in outcomes() if item.word == f"{decision.verdict}/{decision.reason}"), NOTHING)


def _node(one: PodVerdict) -> str:
    return next(iter(one.nodes), text(mapping(one.question.pod.get("spec")).get("nodeName"))) or "NAME"


def _fallback_of(one: PodVerdict) -> FallbackContext | None:
    """Return what the fallback reads, if the decision is that of the fallback."""
    question = one.question
    steps = one.steps or question.explain()
    if question.is_plugin or not any(step.tried and step.name in FALLBACK_STEPS for step in steps):
        return None
    return fallback_context(
        RuleContext(question.pod, question.facts, question.situation.policy, question.situation.view)
    )


def _end_dry_run(question: DecisionInput) -> Iterator[str]:
    namespace = question.facts.namespace
    labels = (question.situation.view.namespaces or EMPTY).get(namespace)
    if question.situation.policy.dry_run:
        yield "set dryRun: false in the policy"
    if (labels or EMPTY).get(INJECT_KEY) == "dry-run":
        yield opt_in_command(namespace, labels)
