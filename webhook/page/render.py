"""Renders the page as HTML: one template that contains style and script, so that nothing else is loaded."""

import base64
import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from webhook.page.attention import settled
from webhook.page.filters import Filters
from webhook.page.groups import grouped
from webhook.page.notices import notices
from webhook.page.patch_lines import patch_lines

FOLDER = Path(__file__).parent
STYLE = (FOLDER / "page.css").read_text(encoding="utf-8")
SCRIPT = (FOLDER / "page.js").read_text(encoding="utf-8")

VERDICTS = ("inject", "mount", "bootstrap", "leave")
UNITS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))

# Enough to read, and rendered quickly; a link shows the others.
ROWS_SHOWN = 200

# A row shows this many names of equal nodes; the others are folded.
NODES_SHOWN = 8


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        f"style-src {_hash(STYLE)}",
        f"script-src {_hash(SCRIPT)}",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
"""The Content-Security-Policy of the page."""


def render(
    states: Sequence[Mapping[str, Any]], records: Sequence[Mapping[str, Any]], filters: Filters, now: float
) -> str:
    """Return the page: ``states`` are the replicas' ``/state``, ``records`` their decisions, ``now`` in seconds.

    Names in them are not trusted: the template escapes everything that it prints.
    """
    ordered = sorted(settled(records), key=lambda record: (not record["needsAttention"], -record["time"]))
    found = filters.select(ordered)
    groups = grouped(found)
    answered = [state for state in states if "unreachable" not in state]
    counted = [record for record in ordered if not record.get("trial")]
    found_counted = sum(not record.get("trial") for record in found)
    return _template().render(
        style=Markup(STYLE),  # noqa: S704 - our own files, whose hashes the policy names
        script=Markup(SCRIPT),  # noqa: S704 - likewise
        states=states,
        answered=answered,
        state=next(iter(answered), None),
        notices=[(state["replica"], line) for state in states for line in notices(state, now)],
        filters=filters,
        recorded=len(ordered),
        total=len(counted),
        found=found_counted,
        trials=len(found) - found_counted,
        rows=len(groups),
        shown=groups if filters.rows == "all" else groups[:ROWS_SHOWN],
        attention=sum(record["needsAttention"] for record in counted),
        counts=_counts(counted),
        choices={name: _choices(name, records, filters) for name in ("namespace", "reason")},
        # All replicas watch the same cluster.
        nodes=answered[-1]["nodes"] if answered else [],
        nodes_shown=NODES_SHOWN,
        now=now,
    )


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"moment": _moment, "clock": _clock, "ago": _ago, "patch": patch_lines}
    return environment.get_template("page.html")


def _choices(name: str, records: Iterable[Mapping[str, Any]], filters: Filters) -> list[str]:
    """Return what a filter offers: also the chosen value if no decision has it (any more)."""
    return sorted({str(record[name]) for record in records} | ({getattr(filters, name)} - {""}))


def _counts(records: Iterable[Mapping[str, Any]]) -> list[tuple[str, int]]:
    found = Counter(str(record["verdict"]) for record in records)
    return [(verdict, found[verdict]) for verdict in VERDICTS]


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _clock(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%H:%M:%S")


def _ago(seconds: float) -> str:
    """Return a duration in its largest whole unit."""
    span = max(0, int(seconds))
    unit, size = next((pair for pair in UNITS if span >= pair[1]), UNITS[-1])
    return f"{span // size} {unit}"
