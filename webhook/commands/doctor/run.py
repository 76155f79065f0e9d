"""``doctor``: find out why GPU pods do not work. It reads only the API server, with the user's own rights."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from webhook.archive.archive import Archive
from webhook.archive.replay import ReplayClient
from webhook.commands.shared.archive_files import policy_of_cluster, read_archive
from webhook.commands.shared.cluster import Target, api_server, installed_policy
from webhook.commands.shared.exit_codes import ExitCode
from webhook.commands.shared.input_files import InputError
from webhook.commands.shared.json_output import JSON_VERSION, NamedObjects, fixes, messages
from webhook.commands.shared.list_workloads import progress_bar
from webhook.commands.shared.progress_client import ProgressClient
from webhook.commands.shared.read_cluster import look
from webhook.commands.shared.render import ASIDE, ATTENTION
from webhook.doctor.archived_facts import with_archived
from webhook.doctor.check import CheckOutcome, State, examine
from webhook.doctor.cluster_facts import ClusterFacts
from webhook.doctor.fact import Unread
from webhook.doctor.read import Asked, read_facts
from webhook.doctor.registry import CATEGORIES
from webhook.kube.metadata import name_of, namespace_of
from webhook.kube.values import text

SYMBOLS = {State.PASS: "√", State.WARN: "‼", State.FAIL: "×", State.UNKNOWN: "?"}  # noqa: RUF001  linkerd's sign
COLOURS = {State.PASS: "green", State.WARN: ATTENTION, State.FAIL: "red", State.UNKNOWN: ASIDE}
# The worst first: it determines the exit code.
EXIT_CODES = {
    State.FAIL: ExitCode.CHANGES,
    State.UNKNOWN: ExitCode.UNREAD,
    State.WARN: ExitCode.DONE,
    State.PASS: ExitCode.DONE,
}
EVIDENCE_SHOWN = 5
PAUSE_SECONDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of the command line; ``wait_seconds`` is how long to repeat while something fails."""

    target: Target
    policy_file: Path | None
    namespace: str
    output: str
    wait_seconds: float
    archive_file: Path | None = None


def doctor(options: Options) -> int:
    """Print the outcome of every check; return the exit code."""
    facts, outcomes, policy_unread = asyncio.run(_examined(options))
    known = () if isinstance(facts.namespaces, Unread) else facts.namespaces
    if known and options.namespace and options.namespace not in map(name_of, known):
        raise InputError(f"namespace {options.namespace} does not exist")
    if options.output == "json":
        click.echo(json.dumps(to_json(facts, outcomes), indent=2, ensure_ascii=False))
    else:
        show(outcomes, Console(highlight=False, soft_wrap=True), short=options.output == "short")
    code = exit_code(outcomes)
    return ExitCode.UNREAD if policy_unread and code == ExitCode.DONE else code


async def _examined(options: Options) -> tuple[ClusterFacts, Sequence[CheckOutcome], str]:
    if options.archive_file is not None:
        return await _examined_file(options, read_archive(options.archive_file))
    deadline = time.monotonic() + options.wait_seconds
    async with api_server(options.target) as client:
        installed = await installed_policy(client, options.policy_file)
        asked = Asked(installed.policy, options.namespace, options.target.namespace())
        while True:
            with progress_bar() as progress:
                facts = await look(ProgressClient(client, progress), asked, datetime.now(UTC))
            outcomes = tuple(examine(facts, CATEGORIES))
            if exit_code(outcomes) != EXIT_CODES[State.FAIL] or time.monotonic() >= deadline:
                return facts, outcomes, installed.unread
            await asyncio.sleep(min(PAUSE_SECONDS, max(0.0, deadline - time.monotonic())))


async def _examined_file(options: Options, archive: Archive) -> tuple[ClusterFacts, Sequence[CheckOutcome], str]:
    """Examine an archive as of its time."""
    client = ReplayClient(archive)
    installed = await policy_of_cluster(client, options.policy_file, archive)
    scope = options.namespace or text(archive.facts.get("namespace"))
    facts = await read_facts(client, Asked(installed.policy, scope, scope or "default"), archive.time)
    facts = with_archived(facts, archive.facts)
    return facts, tuple(examine(facts, CATEGORIES)), installed.unread


def exit_code(outcomes: Iterable[CheckOutcome]) -> int:
    """Return the exit code: a failure outweighs a check that could not read enough."""
    states = {outcome.result.state for outcome in outcomes}
    return next((code for state, code in EXIT_CODES.items() if state in states), 0)


def to_json(facts: ClusterFacts, outcomes: Iterable[CheckOutcome]) -> dict[str, Any]:
    """Return the form of ``-o json``, which docs/doctor.md describes; keys are only ever added to it."""
    named = _named(facts)
    rows = [
        {
            "check": outcome.check.name,
            "category": outcome.category,
            "title": outcome.check.title,
            "state": outcome.result.state,
            "evidence": messages(outcome.check.name, outcome.result.evidence, named),
            "fix": fixes(outcome.result.fix),
            "docs": docs_of(outcome),
        }
        for outcome in outcomes
    ]
    counts = Counter(row["state"] for row in rows)
    return {
        "version": JSON_VERSION,
        "time": facts.now.isoformat(timespec="seconds"),
        "namespace": facts.scope,
        "counts": {state: counts[state] for state in State},
        "checks": rows,
    }


def _named(facts: ClusterFacts) -> NamedObjects:
    """Return the objects that the checks read."""
    kinds = (facts.gpu_pods, facts.plugin_pods, facts.other_pods, facts.support_pods, facts.own_pods)
    read = (*kinds, facts.daemon_sets, facts.other_sets)
    objects = [item for found in read if not isinstance(found, Unread) for item in found]
    return NamedObjects(
        () if isinstance(facts.nodes, Unread) else map(name_of, facts.nodes),
        ({"kind": text(one.get("kind")), "namespace": namespace_of(one), "name": name_of(one)} for one in objects),
    )


def docs_of(outcome: CheckOutcome) -> str:
    """Return the place in our documentation that explains a check."""
    return f"docs/doctor.md#{outcome.check.name}"


def show(outcomes: Iterable[CheckOutcome], console: Console, *, short: bool) -> None:
    """Print the outcomes by category, in the style of `linkerd check`; ``short`` leaves out passed checks."""
    found = list(outcomes)
    shown = [item for item in found if not short or item.result.state is not State.PASS]
    for category, rows in groupby(shown, key=lambda item: item.category):
        console.print(category, style="bold", markup=False)
        console.print("-" * len(category), style="dim")
        for row in rows:
            console.print(_lines(row))
        console.print()
    console.print(_summary(found))


def _lines(outcome: CheckOutcome) -> Text:
    result, state = outcome.result, outcome.result.state
    text = Text()
    text.append(f"{SYMBOLS[state]} ", style=COLOURS[state])
    text.append(outcome.check.title)
    if state is State.PASS:
        text.append(f"  ({result.evidence[0]})" if result.evidence and result.evidence[0] else "", style="dim")
        return text
    for line in result.evidence[:EVIDENCE_SHOWN]:
        text.append(f"\n    {line}", style=COLOURS[state])
    if len(result.evidence) > EVIDENCE_SHOWN:
        text.append(f"\n    and {len(result.evidence) - EVIDENCE_SHOWN} more (-o json has all)", style="dim")
    # A fix that the evidence contains is not repeated.
    shown = any(line in evidence for line in result.fix[:1] for evidence in result.evidence)
    for index, line in enumerate(result.fix[1:] if shown else result.fix):
        text.append(f"\n    {'fix: ' if not index else '       '}{line}")
    text.append(f"\n    see {docs_of(outcome)}", style="dim")
    return text


def _summary(outcomes: Iterable[CheckOutcome]) -> Text:
    counts = Counter(outcome.result.state for outcome in outcomes)
    words = {State.PASS: "passed", State.WARN: "to look at", State.FAIL: "failed", State.UNKNOWN: "unknown"}
    text = Text()
    for state, word in words.items():
        if counts[state]:
            text.append(", " if text else "")
            text.append(f"{SYMBOLS[state]} {counts[state]} {word}", style=COLOURS[state])
    return text
