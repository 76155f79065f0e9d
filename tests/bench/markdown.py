"""What a benchmark wrote as JSON, as the text of docs/performance.md."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .rows import COLUMNS


def as_markdown(measured: Mapping[str, Any]) -> str:
    """Return settings, table (median, and the range of the runs) and aims of ``bench.json``."""
    rows = measured["rows"].values()
    columns = [column for column in COLUMNS if any(row["runs"].get(column) for row in rows)]
    settings = ", ".join(f"{name} {value}" for name, value in measured["settings"].items())
    aims = (f"- {'met' if aim['met'] else '**missed**'}: {aim['text']}: {aim['measured']}" for aim in measured["aims"])
    chart = "![The same as a chart](bench.svg)"
    return "\n".join([f"Measured with {settings}.", "", chart, "", *_table(rows, columns), "", *aims]) + "\n"


def _table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> Iterator[str]:
    yield _line(["", *columns])
    yield _line(["---"] + ["---:"] * len(columns))
    for row in rows:
        yield _line([row["heading"], *(_cell(row["runs"].get(column), row["form"]) for column in columns)])


def _cell(values: Sequence[float] | None, form: str) -> str:
    if not values:
        return ""
    middle, least, most = (form.format(value) for value in (statistics.median(values), min(values), max(values)))
    return f"{middle} ({least} to {most})" if len(values) > 1 else middle


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
