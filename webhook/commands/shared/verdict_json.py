"""The decision on a pod for programs: what ``preview`` and ``why`` share in their ``-o json``."""

from typing import Any

from webhook.commands.shared.evaluate import NOTE_CODES
from webhook.commands.shared.json_output import NamedObjects, message, messages
from webhook.commands.shared.prediction import DryRunAnswer, PodVerdict
from webhook.decide.explain import Step
from webhook.decide.warning_text import WARNING_PREFIX
from webhook.kube.values import EMPTY


def named_objects(item: PodVerdict) -> NamedObjects:
    """Return the nodes and the plugins' DaemonSets that the decision could see."""
    view = item.question.situation.view
    sets = (name.partition("/") for name in view.daemon_sets or ())
    return NamedObjects(
        (node.name for node in (view.nodes or EMPTY).values()),
        ({"kind": "DaemonSet", "namespace": namespace, "name": name} for namespace, _, name in sets),
    )


def warnings_json(item: PodVerdict, named: NamedObjects) -> list[dict[str, Any]]:
    """Return the warnings: with the name of what preview adds by itself, else with the reason of the decision."""
    return [
        message(
            next((code for note, code in NOTE_CODES.items() if note in warning), item.decision.reason), warning, named
        )
        for warning in (() if item.unread else item.decision.warnings)
    ]


def note_codes_as_markdown() -> str:
    """Return the table of docs/cli.md."""
    rows = [f"| `{code}` | {note.removeprefix(WARNING_PREFIX).strip()} |" for note, code in NOTE_CODES.items()]
    return "\n".join(["| code | message begins with |", "| --- | --- |", *rows]) + "\n"


def unread_json(item: PodVerdict) -> dict[str, str]:
    """Return the kinds that could not be read, each with the API server's answer."""
    return {kind: item.question.situation.unread[kind] for kind in item.unread}


def dry_run_json(tried: DryRunAnswer) -> dict[str, Any]:
    """Return the answer to a server-side dry-run."""
    reason = tried.word.partition("/")[2]
    return {"decision": tried.word, "refusal": tried.refusal, "warnings": messages(reason, tried.warnings)}


def step_json(step: Step, named: NamedObjects) -> dict[str, Any]:
    """Return one rule with its evidence."""
    return {"row": step.name, "rule": step.text, "evidence": messages(step.name, step.evidence, named)}
