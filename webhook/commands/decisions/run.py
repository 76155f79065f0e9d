"""``decisions``: the replicas' last decisions, merged; as a table, as JSON, or as the page."""

import asyncio
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from webhook.commands.shared.cluster import Target, api_server, read_registered
from webhook.commands.shared.exit_codes import ExitCode
from webhook.commands.shared.input_files import InputError
from webhook.commands.shared.json_output import JSON_VERSION, messages
from webhook.commands.shared.render import ASIDE, ATTENTION
from webhook.commands.shared.replica_port_forward import ReplicaAnswer, Replicas
from webhook.kube.values import elements
from webhook.kube_client.api_error import CredentialsError
from webhook.page.attention import settled
from webhook.page.filters import Filters

Records = Sequence[Mapping[str, Any]]

FOLLOW_SECONDS = 2.0
COLOURS = {"inject": "green", "mount": ASIDE, "bootstrap": "magenta", "leave": "dim"}
HEAD = ("TIME (UTC)", "NAMESPACE", "POD", "DECISION", "WARNING")
# With --follow lines come one by one, so the width of a column cannot depend on later values.
NARROWEST = (19, 12, 28, 24, 0)
PREFIX = "gpu-injector: "


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of the command line. ``port`` is that of the page on this machine."""

    target: Target
    installed_in: str
    filters: Filters
    output: str
    follow: bool
    web: bool
    port: int


def decisions(options: Options) -> int:
    """Show the decisions; return the exit code: ``UNREAD`` if a replica did not answer, so that some may be missing."""
    return asyncio.run(_decisions(options))


async def _decisions(options: Options) -> int:
    async with api_server(options.target) as client:
        replicas = Replicas(client, options.installed_in or (await read_registered(client)).home)
        if options.web:
            from webhook.commands.decisions.web_page import serve_page  # noqa: PLC0415 - a server of its own

            await serve_page(replicas, options.filters, options.port)
        if options.follow:
            await follow(replicas, options)
        # What resolves a warning may be left out by a filter, or known to another replica.
        attention = bool(options.filters.attention)
        answers = await replicas.ask({} if attention else asdict(options.filters), {})
        _tell(answers)
        print_array = _print_array if options.output == "json" else _Table().show
        records = _merged(answers)
        print_array(options.filters.select(settled(records)) if attention else records)
        return ExitCode.UNREAD if any(answer.trouble for answer in answers) else ExitCode.DONE


async def follow(replicas: Replicas, options: Options) -> None:
    """Print the decisions so far and all new ones, until cancelled."""
    show: Callable[[Records], None] = _print_lines if options.output == "json" else _Table().show
    latest: dict[str, float] = {}
    told: set[str] = set()
    answers: list[ReplicaAnswer] | None = None
    while True:
        try:
            answers = await replicas.ask(asdict(options.filters), latest)
        except CredentialsError:
            raise
        except (InputError, OSError) as error:
            if answers is None:
                raise
            # Replicas may come and go meanwhile, and the network may fail.
            click.echo(str(error), err=True)
            answers = []
        told = _tell(answers, told)
        show(_merged(answers))
        latest |= {str(record["replica"]): float(record["time"]) for answer in answers for record in answer.records}
        await _pause(FOLLOW_SECONDS)


async def _pause(seconds: float) -> None:
    await asyncio.sleep(seconds)


def _tell(answers: Iterable[ReplicaAnswer], told: Iterable[str] = ()) -> set[str]:
    """Report newly unreachable replicas on standard error; return all that were reported."""
    troubles = {
        f"{answer.state['replica']}: its decisions are missing: {answer.trouble}"
        for answer in answers
        if answer.trouble
    }
    for line in sorted(troubles - set(told)):
        click.echo(line, err=True)
    return troubles


def _merged(answers: Iterable[ReplicaAnswer]) -> Records:
    return sorted((record for answer in answers for record in answer.records), key=lambda record: record["time"])


def _print_array(records: Records) -> None:
    found = {"version": JSON_VERSION, "decisions": [to_json(record) for record in records]}
    click.echo(json.dumps(found, indent=2, ensure_ascii=False))


def _print_lines(records: Records) -> None:
    for record in records:
        click.echo(json.dumps({"version": JSON_VERSION, **to_json(record)}, ensure_ascii=False))


def to_json(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a replica's record with the sentences of its decision under the reason."""
    reason = str(record["reason"])
    said = {key: messages(reason, map(str, elements(record.get(key)))) for key in ("warnings", "evidence")}
    return {**record, **said}


class _Table:
    """Prints rows below one head, also rows that come later."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, soft_wrap=True)
        self._widths: tuple[int, ...] = ()

    def show(self, records: Records) -> None:
        """Print the rows of some decisions, the oldest first."""
        rows = [tuple(_cells(record)) for record in records]
        if not self._widths:
            self._widths = tuple(
                max(narrowest, *(len(row[column]) for row in (HEAD, *rows)))
                for column, narrowest in enumerate(NARROWEST)
            )
            self._console.print(self._line(HEAD), style="bold")
        for row, record in zip(rows, records, strict=True):
            self._console.print(self._line(row, str(record["verdict"])))

    def _line(self, row: Sequence[str], verdict: str = "") -> Text:
        text = Text()
        for name, cell, width in zip(HEAD, row, self._widths, strict=True):
            # The terminal would wrap it to the column of the time.
            if name == "WARNING" and self._console.is_terminal and len(text) + len(cell) > self._console.width:
                text.append("\n    ")
            style = {"DECISION": COLOURS.get(verdict, ""), "WARNING": ATTENTION if verdict else ""}.get(name, "")
            text.append(cell.ljust(width), style).append("  ")
        text.rstrip()
        return text


def _cells(record: Mapping[str, Any]) -> Iterator[str]:
    yield datetime.fromtimestamp(record["time"], UTC).strftime("%Y-%m-%d %H:%M:%S")
    yield str(record["namespace"])
    yield str(record["name"]) or f"({record['owner']})"
    yield f"{record['verdict']}/{record['reason']}{_mark(record)}"
    yield "; ".join(str(warning).removeprefix(PREFIX) for warning in record["warnings"])


def _mark(record: Mapping[str, Any]) -> str:
    """Return what is unusual about a request, in brackets. Replicas of older versions name no trial."""
    marks = [*(["dry-run"] if record["dryRun"] else []), *filter(None, [record.get("trial")])]
    return f" ({', '.join(marks)})" if marks else ""
