"""What ``why`` found out about the pods of one template, as text and as JSON."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.text import Text

from webhook.commands.shared.json_output import fixes
from webhook.commands.shared.prediction import PodVerdict, kind_word
from webhook.commands.shared.render import ATTENTION, columns, steps_of
from webhook.commands.shared.verdict_json import dry_run_json, named_objects, step_json, unread_json, warnings_json
from webhook.commands.why.next_action import NOTHING, next_action
from webhook.decide.decision import Verdict
from webhook.decide.pod import annotations
from webhook.kube.metadata import name_of
from webhook.kube.values import text
from webhook.names import DECISION_KEY
from webhook.registration.match import MatchCheck, verdict

REGISTRATION = "registration"
MARKS = {True: ("√", "green"), False: ("×", "red"), None: ("?", ATTENTION)}  # noqa: RUF001  as doctor marks
ANSWERS = {True: "yes", False: "no", None: "unknown"}


@dataclass(frozen=True, slots=True)
class Called:
    """The checks of an entry of the registration for the pods."""

    entry: str
    checks: tuple[MatchCheck, ...]

    @property
    def holds(self) -> bool | None:
        """Say whether the API server would call the webhook (None: unknown)."""
        return verdict(self.checks)


@dataclass(frozen=True, slots=True)
class Explanation:
    """All that is known about the pods of one template: by entry, of the past, and of today."""

    verdict: PodVerdict
    called: tuple[Called, ...]
    past: tuple[str, ...]
    past_unread: bool = False
    pods: tuple[Mapping[str, Any], ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether everything could be read that the explanation depends on."""
        unknown = self.past_unread or any(called.holds is None for called in self.called)
        return not unknown and not self.verdict.unread

    @property
    def is_uninstalled(self) -> bool:
        """Whether the API server has no registration of ours."""
        return any(check.name == REGISTRATION and check.holds is False for one in self.called for check in one.checks)


def print_text(answer: Explanation, console: Console) -> None:
    """Print the text for users."""
    one = answer.verdict
    on = f" on {', '.join(one.nodes)}" if one.nodes else ""
    console.print(Text(f"{one.title}{on}", "bold"))
    for called in answer.called:
        console.print(Text(f"\nWould the webhook be called? {ANSWERS[called.holds]} ({called.entry})", "bold"))
        console.print(columns([_row(check) for check in called.checks]), end="")
    console.print(Text("\nWas it called?", "bold"))
    for line in answer.past:
        console.print(Text(f"  {line}"))
    console.print(Text("\nWhat would be decided today? ", "bold") + Text(one.word, _colour(one)))
    for kind in one.unread:
        console.print(Text(f"  could not read {kind_word(kind)}: {one.question.situation.unread[kind]}", ATTENTION))
    if one.unread and one.dry_run:
        console.print(Text(f"  {one.dry_run.text}", ATTENTION))
    console.print(steps_of(one.steps), end="")
    if rest := ", ".join(step.name for step in one.steps if not step.tried):
        console.print(Text(f"    not reached: {rest}", "dim"))
    console.print(Text("\nWhat to do next?", "bold"))
    for line in _next_lines(answer):
        console.print(Text(f"  {line}"))
    console.print()


def _next_lines(answer: Explanation) -> Sequence[str]:
    if not answer.is_uninstalled:
        return tuple(next_action(answer.verdict, answer.pods, called=_any(answer.called)))
    install = "install gpu-injector: there is no registration, and gpu-injector doctor prints the command"
    others = tuple(next_action(answer.verdict, answer.pods, called=None))
    if not answer.verdict.question.concerns_gpus:
        return others
    is_done = all(line.partition(":")[0] == NOTHING for line in others)
    return (install,) if is_done else (f"{install}; then:", *others)


def _any(called: Iterable[Called]) -> bool | None:
    """Say whether one of the entries would be called (None: unknown)."""
    states = {one.holds for one in called}
    return True if True in states else None if None in states else False


def _row(check: MatchCheck) -> Sequence[Text]:
    mark, colour = MARKS[check.holds]
    return [Text(f"  {mark}", colour), Text(check.name), Text(check.evidence)]


def _colour(one: PodVerdict) -> str:
    return ATTENTION if one.unread or one.decision.verdict is Verdict.LEAVE else "green"


def to_json(answer: Explanation) -> dict[str, Any]:
    """Return the form of ``-o json``."""
    one = answer.verdict
    named = named_objects(one)
    return {
        "object": one.reference,
        "template": one.template,
        "nodes": list(one.nodes),
        "called": [
            {"entry": called.entry, "called": called.holds, "checks": _plain(called.checks)} for called in answer.called
        ],
        "pods": [{"name": name_of(pod), "decision": annotations(pod).get(DECISION_KEY)} for pod in answer.pods],
        "podsUnread": answer.past_unread,
        "verdict": "unknown" if one.unread else one.decision.verdict,
        "reason": None if one.unread else one.decision.reason,
        "unread": unread_json(one),
        "dryRun": one.decision.dry_run,
        **({"serverDryRun": dry_run_json(one.dry_run)} if one.dry_run else {}),
        "warnings": warnings_json(one, named),
        "rows": [{**step_json(step, named), "tried": step.tried} for step in one.steps],
        "next": fixes(_next_lines(answer)),
    }


def _plain(found: Iterable[MatchCheck]) -> list[dict[str, Any]]:
    return [{"name": check.name, "holds": check.holds, "evidence": check.evidence} for check in found]


def carries(pod: Mapping[str, Any]) -> str:
    """Return what the annotation of a pod shows."""
    word = annotations(pod).get(DECISION_KEY)
    if word is None:
        return f"{name_of(pod)} has no annotation {DECISION_KEY}: not called, failed, in dry-run, or no GPU pod"
    return f"{name_of(pod)} carries {text(word)}"
