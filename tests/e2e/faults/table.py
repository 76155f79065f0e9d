"""The effects of the faults on pods, as a table and as JSON."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

HEADINGS = (
    "fault",
    "lasted",
    "pods requested",
    "patched",
    "unpatched",
    "of these, annotated",
    "rejected",
    "API server away",
    "detected after",
    "time to heal",
)


@dataclass(frozen=True, slots=True)
class Row:
    """The effects of one fault. ``unpatched`` pods were created; ``told`` of them have our reason.

    ``away`` pods were not created because the API server gave no answer, or said that it could not serve.
    ``detected_seconds`` is from its begin until a replica reports that the API server does not call the webhook, or
    that a registration was changed; None: not reported, as the API server still called a replica.
    ``heal_seconds`` is from the end of the fault until certificate and replicas are whole and the last pod was missed.
    """

    fault: str
    seconds: float
    asked: int
    patched: int
    unpatched: int
    told: int
    rejected: int
    away: int
    heal_seconds: float
    detected_seconds: float | None = None

    def cells(self) -> Sequence[str]:
        """Return the cells of the table's row."""
        counts = (self.asked, self.patched, self.unpatched, self.told, self.rejected, self.away)
        detected = "no" if self.detected_seconds is None else f"{self.detected_seconds:.1f} s"
        numbers = (f"{count:,}" for count in counts)
        return (self.fault, f"{self.seconds:.1f} s", *numbers, detected, f"{self.heal_seconds:.1f} s")

    def line(self) -> str:
        """Return the row for a terminal."""
        return "  ".join(f"{name}: {cell}" for name, cell in zip(HEADINGS, self.cells(), strict=True))


def as_json(settings: Mapping[str, str], rows: Sequence[Row]) -> Mapping[str, Any]:
    """Return the table and what it was made with as JSON values."""
    return {"settings": settings, "rows": [asdict(row) for row in rows]}


def as_markdown(measured: Mapping[str, Any]) -> str:
    """Return what ``as_json`` returned as a line of settings and a table."""
    settings = ", ".join(f"{name} {value}" for name, value in measured["settings"].items())
    return "\n".join([f"Measured with {settings}.", "", *_lines(measured["rows"])]) + "\n"


def _lines(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield _line(HEADINGS)
    yield _line(["---"] + ["---:"] * (len(HEADINGS) - 1))
    yield from (_line(Row(**row).cells()) for row in rows)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
