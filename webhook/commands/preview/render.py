"""The output of ``preview``: a function for each ``-o``; the result on standard output, notes on standard error."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import click
from rich.console import Console
from rich.progress import Progress
from rich.text import Text

from webhook.commands.preview.json_rows import print_json
from webhook.commands.shared.prediction import PodVerdict
from webhook.commands.shared.render import ATTENTION, columns, diff_of, steps_of
from webhook.commands.shared.yaml_text import yaml_text
from webhook.decide.decision import Reason, Verdict
from webhook.decide.patch import Operation, below
from webhook.kube.manifests import Document, Manifest

COLOURS = {Verdict.LEAVE: "dim", Verdict.INJECT: "green", Verdict.MOUNT: "green", Verdict.BOOTSTRAP: "green"}
NAMES_SHOWN = 3
PREFIX = "gpu-injector: "


def print_table(found: Sequence[PodVerdict], console: Console) -> None:
    """Print a row for each verdict, then what needs attention."""
    nodes = any(item.nodes for item in found)
    head = [Text(heading, "bold") for heading in ("OBJECT", *(["NODES"] if nodes else []), "DECISION", "CHANGES")]
    rows = [
        [
            Text(item.title),
            *([Text(_nodes(item))] if nodes else []),
            _word(item),
            Text("?" if item.unread or (item.dry_run and item.would_change) else changes(item.decision.operations)),
        ]
        for item in found
    ]
    if found:
        console.print(columns([head, *rows]), end="")
    for item in found:
        if item.unread and item.dry_run:
            console.print(Text(f"\n{_title(item)}\n  {item.dry_run.text}", ATTENTION))
        for warning in () if item.unread else item.decision.warnings:
            console.print(Text(f"\n{_title(item)}\n  Warning: {warning.removeprefix(PREFIX)}", ATTENTION))
    for item in found:
        if item.steps:
            console.print(Text(f"\n{_title(item)}: ", "bold") + _word(item))
            console.print(steps_of(item.steps), end="")


def print_diff(found: Sequence[PodVerdict], console: Console) -> None:
    """Print each verdict with the diff of the object, for a namespace that is not opted in as if it were."""
    for item in found:
        shown = item.if_opted_in or item
        tried = item.dry_run
        console.print(Text(f"{_title(item)}: ", "bold") + _word(item))
        for warning in () if shown.unread else shown.decision.warnings:
            console.print(Text(f"  Warning: {warning.removeprefix(PREFIX)}", ATTENTION))
        if tried and (item.unread or item.would_change):
            console.print(Text(f"  {tried.text if item.unread else item.obstacle}", ATTENTION))
        if item.steps:
            console.print(steps_of(item.steps))
        if shown.operations:
            console.print(diff_of(dict(item.item), shown.changed()))


def print_patch(found: Sequence[PodVerdict], _console: Console) -> None:
    """Print the JSON Patch (RFC 6902) of each object that would change, as YAML documents of JSON."""
    for item in found:
        if item.would_change and item.operations:
            click.echo(f"---\n# {_title(item)}: {item.decision.word}")
            click.echo(json.dumps(list(item.operations), indent=2, ensure_ascii=False))


def print_yaml(found: Sequence[PodVerdict], _console: Console) -> None:
    """Print each object of a live cluster as it would be re-created; ``preview -f`` keeps the author's text."""
    for item in found:
        is_patched = item.would_change and not item.decision.dry_run
        click.echo("---\n" + yaml_text(item.as_template().changed() if is_patched else dict(item.item)), nl=False)


Printer = Callable[[Sequence[PodVerdict], Console], None]
PRINTERS: Mapping[str, Printer] = {
    "table": print_table,
    "diff": print_diff,
    "patch": print_patch,
    "yaml": print_yaml,
    "json": print_json,
}


def print_authored(manifests: Sequence[Manifest], found: Iterable[PodVerdict], progress: Progress) -> None:
    """Print manifests as their authors wrote them, patched where pods would change."""
    from webhook.commands.patched_stream import patched_stream  # noqa: PLC0415  YAML, for this alone

    task = progress.add_task("patch", total=len(manifests))
    operations_of = authored_operations(found, _note)

    def operations(manifest: Manifest) -> Sequence[Operation]:
        progress.advance(task)
        return operations_of(manifest)

    click.echo(patched_stream(manifests, operations, _note), nl=False)


def authored_operations(
    found: Iterable[PodVerdict], note: Callable[[str], None]
) -> Callable[[Manifest], Sequence[Operation]]:
    """Return a function that yields the operations for a manifest; ``note`` gets a line for what cannot be written."""
    of_object: dict[int, list[PodVerdict]] = {}
    for item in found:
        of_object.setdefault(id(item.item), []).append(item)
    return lambda manifest: [
        operation
        for document in manifest.objects
        for operation in _operations(document, of_object.get(id(document.content), ()), note)
    ]


def _operations(document: Document, found: Iterable[PodVerdict], note: Callable[[str], None]) -> Iterator[Operation]:
    """Yield the operations for the document of an object; manifests do not get our annotation."""
    rows = [one for one in found if not one.decision.dry_run]
    wanted = [one for one in rows if one.would_change]
    if wanted and len({item.template for item in rows}) < len(rows):
        note(f"{wanted[0].title} is unchanged: its nodes differ, and the webhook decides for each of them")
        return
    for item in wanted:
        yield from below(document.pointer, item.as_template().operations)


def _note(line: str) -> None:
    click.echo(line, err=True)


def changes(operations: Sequence[Operation]) -> str:
    """Summarise what operations change: each field once, with a count if more than one."""
    names = list(_changed_fields(operations))
    counts = {name: names.count(name) for name in names}
    return ", ".join(name if count == 1 else f"{name} ({count})" for name, count in counts.items()) or "-"


def _changed_fields(operations: Sequence[Operation]) -> Iterator[str]:
    for operation in operations:
        words = [word for word in operation["path"].split("/")[1:] if word != "-" and not word.isdigit()]
        if words[:2] == ["metadata", "annotations"]:
            continue
        value = operation.get("value")
        name = "privileged" if words[-1] == "securityContext" else words[-1]
        yield from [name] * (len(value) if isinstance(value, list) else 1)


def _word(item: PodVerdict) -> Text:
    if other := item.if_opted_in:
        is_there = item.decision.reason is Reason.NOT_OPTED_IN
        state = "not opted in; if it were" if is_there else "namespace not found; if it were opted in"
        return Text(f"{state}: {other.word}")
    return Text(item.word, ATTENTION if item.unread else COLOURS[item.decision.verdict])


def _title(item: PodVerdict) -> str:
    return f"{item.title} on {_nodes(item)}" if item.nodes else item.title


def _nodes(item: PodVerdict) -> str:
    rest = len(item.nodes) - NAMES_SHOWN
    return ", ".join(item.nodes[:NAMES_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
