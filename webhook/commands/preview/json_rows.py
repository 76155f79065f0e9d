"""``preview -o json``: a row for each verdict, printed one by one, as all together are large."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import click
from rich.console import Console

from webhook.commands.shared.json_output import JSON_VERSION, NO_OBJECTS, NamedObjects
from webhook.commands.shared.prediction import PodVerdict, apply
from webhook.commands.shared.verdict_json import dry_run_json, named_objects, step_json, unread_json, warnings_json
from webhook.decide.patch import Operation


def print_json(found: Sequence[PodVerdict], _console: Console) -> None:
    """Print an object with the verdicts; one by one, as all together are large."""
    click.echo(f'{{\n  "version": {JSON_VERSION},\n  "verdicts": [', nl=False)
    begin = ""
    named = NamedVerdicts()
    for item, operations in with_object_operations(found):
        row = json.dumps(to_json(item, operations, named.of(item)), indent=2, ensure_ascii=False)
        click.echo(f"{begin}\n    " + row.replace("\n", "\n    "), nl=False)
        begin = ","
    click.echo("\n  ]\n}" if found else "]\n}")


def with_object_operations(found: Sequence[PodVerdict]) -> Iterator[tuple[PodVerdict, Sequence[Operation] | None]]:
    """Yield verdicts with the operations for the object as it is shown; None where another row shows the object.

    An object may have very many places, and each of their rows would repeat it. The first row with a patch shows it,
    with the patches of all rows. The rows of one place, such as those for the nodes of a DaemonSet, each show it.
    """
    of_object: dict[int, list[PodVerdict]] = {}
    for item in found:
        of_object.setdefault(id(item.item), []).append(item)
    shown: dict[int, Sequence[Operation]] = {}
    for rows in of_object.values():
        if len({one.template for one in rows}) < len(rows):
            shown |= {id(one): _shown_operations(one) for one in rows}
        else:
            chosen = next((one for one in rows if _shown_operations(one)), rows[0])
            shown[id(chosen)] = [operation for one in rows for operation in _shown_operations(one)]
    yield from ((item, shown.get(id(item))) for item in found)


def _shown_operations(item: PodVerdict) -> Sequence[Operation]:
    return () if item.decision.dry_run else item.operations


class NamedVerdicts:
    """The objects that sentences may name: looked up once for all verdicts of one view."""

    def __init__(self) -> None:
        self._view: object = None
        self._named = NO_OBJECTS

    def of(self, item: PodVerdict) -> NamedObjects:
        """Return those that the decision could see; only its warnings and rules name some."""
        view = item.question.situation.view
        if (item.steps or item.decision.warnings) and view is not self._view:
            self._view, self._named = view, named_objects(item)
        return self._named


def to_json(item: PodVerdict, operations: Sequence[Operation] | None, named: NamedObjects) -> dict[str, Any]:
    """Return one row of ``-o json``. Some fields, such as ``nodes``, are omitted if they are empty.

    ``operations`` are those of the object as it is shown; None if another row shows it.
    """
    row: dict[str, Any] = {
        "object": item.reference,
        "template": item.template,
        "verdict": "unknown" if item.unread else item.decision.verdict,
        "reason": None if item.unread else item.decision.reason,
        "operations": list(item.operations),
        "warnings": warnings_json(item, named),
        **({} if operations is None else {"patched": apply(item.item, operations) if operations else item.item}),
        "dryRun": item.decision.dry_run,
    }
    if item.unread:
        row["unread"] = unread_json(item)
    if other := item.if_opted_in:
        row["ifOptedIn"] = {
            "verdict": "unknown" if other.unread else other.decision.verdict,
            "reason": None if other.unread else other.decision.reason,
            "operations": list(other.operations),
        }
    if tried := item.dry_run:
        row["serverDryRun"] = dry_run_json(tried)
    if item.nodes:
        row["nodes"] = list(item.nodes)
    if item.steps:
        row["rows"] = [
            {**step_json(step, named), "decides": step.result is not None} for step in item.steps if step.tried
        ]
    return row
