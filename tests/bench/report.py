"""From what was measured to one table, the aims, and JSON."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from .rows import COLUMNS, FLOOR, GO, NGINX, OURS, Row


@dataclass(frozen=True, slots=True)
class Results:
    """All that one benchmark measured: its settings, and the rows of the table by their keys."""

    settings: Mapping[str, Any]
    rows: dict[str, Row]

    def median(self, key: str, column: str = OURS) -> float | None:
        """Return a median, None where it was not measured."""
        row = self.rows.get(key)
        return row.median(column) if row and row.values.get(column) else None

    def worst(self, key: str) -> float | None:
        """Return the highest of our own values in a row, None where it was not measured."""
        row = self.rows.get(key)
        return max(row.values[OURS]) if row and row.values.get(OURS) else None

    def ratio(self, key: str, peer: str) -> float | None:
        """Return our median in parts of a peer's, None where one of them was not measured."""
        own, other = self.median(key), self.median(key, peer)
        return None if own is None or not other else own / other


@dataclass(frozen=True, slots=True)
class Aim:
    """What was aimed at, what was measured, and whether that is enough."""

    text: str
    measured: str
    met: bool


def aims(results: Results) -> Iterator[Aim]:
    """Compare with the aims what was measured; an aim about something that was left out is left out too."""
    at_least = ((GO, 3.0), (NGINX, 0.25))
    for peer, factor in at_least:
        if (ratio := results.ratio("requestsPerSecond", peer)) is not None:
            yield Aim(f"{factor:g} times the requests/s of {peer}", f"{ratio:.2f} times", ratio >= factor)
    if (ratio := results.ratio("addedMilliseconds", GO)) is not None:
        yield Aim(f"at most 0.8 times what {GO} adds to a pod's creation", f"{ratio:.2f} times", ratio <= 0.8)
    if (ratio := results.ratio("addedMilliseconds", FLOOR)) is not None:
        yield Aim("at most 1.25 times what a webhook adds that reads only the uid", f"{ratio:.2f} times", ratio <= 1.25)
    if (ratio := results.ratio("scalePeakMiB", GO)) is not None:
        yield Aim(f"5,000 nodes in less memory than {GO} with informers", f"{ratio:.2f} times", ratio < 1)
    early, late = results.median("earlyMiB"), results.median("lateMiB")
    if early is not None and late is not None:
        yield Aim(
            "memory flat: at most 2 MiB more after the last request", f"{late - early:.1f} MiB", late - early <= 2
        )
    limits = (
        ("p99MillisecondsAt200", "p99 at most 10 ms at 200/s, in every run", 10, "ms"),
        ("peakMiB", "at most 80 MiB standalone, in every run", 80, "MiB"),
        ("readySeconds", "ready in 1 s, in every run", 1, "s"),
        ("clusterPeakMiB", "at most 90 MiB in a cluster", 90, "MiB"),
        ("scaleSyncedSeconds", "5,000 nodes listed in 10 s", 10, "s"),
        ("scaleBlockedMilliseconds", "no request waits longer than 50 ms because of that", 50, "ms"),
        ("scalePeakMiB", "at most 100 MiB with 5,000 nodes", 100, "MiB"),
        ("factsMiB", "at most 6 MiB for 5,000 reports of node facts", 6, "MiB"),
        ("scaleFactsSyncedSeconds", "5,000 nodes and their reports listed in 10 s", 10, "s"),
        ("scaleFactsBlockedMilliseconds", "no request waits longer than 50 ms because of the reports", 50, "ms"),
        ("scaleDecisionP99Milliseconds", "p99 of a decision at most 2 ms with 5,000 nodes", 2, "ms"),
        ("scaleFactsDecisionP99Milliseconds", "p99 of a decision at most 2 ms with their reports", 2, "ms"),
    )
    if (ratio := _with_reports(results)) is not None:
        yield Aim("at most 1.1 times the time of a decision with these reports", f"{ratio:.2f} times", ratio <= 1.1)
    for key, text, limit, unit in limits:
        if (worst := results.worst(key)) is not None:
            yield Aim(text, f"{worst:.2f} {unit}", worst <= limit)


def _with_reports(results: Results) -> float | None:
    with_them, without = (results.median(f"{word}DecisionP50Milliseconds") for word in ("facts", "noFacts"))
    return None if with_them is None or not without else with_them / without


def print_report(console: Console, results: Results) -> None:
    """Print settings, the table and the aims."""
    console.print(", ".join(f"{key}: {value}" for key, value in results.settings.items()), highlight=False)
    table = Table(title="Median of the runs, and below it their range", title_justify="left")
    columns = _columns(results)
    table.add_column()
    for column in columns:
        table.add_column(column, justify="right")
    for row in results.rows.values():
        table.add_row(row.heading, *map(row.cell, columns))
    console.print(table)
    for aim in aims(results):
        mark = "[green]met   [/]" if aim.met else "[yellow]missed[/]"
        console.print(f"{mark} {aim.text}: {aim.measured}", highlight=False)


def as_json(results: Results) -> Mapping[str, Any]:
    """Return everything that was measured, medians and each run, as JSON values."""
    return {
        "settings": results.settings,
        "rows": {key: _row_as_json(row) for key, row in results.rows.items()},
        "aims": [asdict(aim) for aim in aims(results)],
    }


def _row_as_json(row: Row) -> Mapping[str, Any]:
    medians = {name: row.median(name) for name in row.values}
    return {"heading": row.heading, "form": row.form, "median": medians, "runs": row.values}


def _columns(results: Results) -> Sequence[str]:
    """Return the columns in which anything was measured."""
    return [column for column in COLUMNS if any(row.values.get(column) for row in results.rows.values())]
