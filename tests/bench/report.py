"""From what was measured to one table, the aims, and JSON."""

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from .cluster import ClusterMemory
from .load import Figures

OURS, GO, NGINX = "gpu-injector", "controller-runtime", "nginx"


@dataclass(frozen=True, slots=True)
class Run:
    """One start of one server: how long it took, its memory before and at most under load, and the load's figures."""

    ready_seconds: float
    resident_mib: float
    peak_mib: float
    figures: Figures


@dataclass(frozen=True, slots=True)
class Results:
    """All that one benchmark measured: its settings, the runs by server, and our memory in a cluster if looked at."""

    settings: Mapping[str, Any]
    runs: Mapping[str, Sequence[Run]]
    cluster: ClusterMemory | None


@dataclass(frozen=True, slots=True)
class Measure:
    """A row of the table: its key in JSON, its heading, the value of a run, and how values are written."""

    key: str
    heading: str
    value: Callable[[Run], float]
    form: str = "{:,.0f}"

    def median(self, runs: Sequence[Run]) -> float:
        """Return the median of the runs' values."""
        return statistics.median(map(self.value, runs))

    def cell(self, runs: Sequence[Run]) -> str:
        """Write the median, and below it the range, with rich's markup."""
        values = [self.value(run) for run in runs]
        written = [self.form.format(value) for value in (statistics.median(values), min(values), max(values))]
        return "{}\n[dim]{} - {}[/]".format(*written)


RATE = Measure("requestsPerSecond", "requests/s", lambda run: run.figures.requests_per_second)
MEASURES = (
    RATE,
    Measure("p50Milliseconds", "p50 ms", lambda run: run.figures.p50_ms, "{:.2f}"),
    Measure("p99Milliseconds", "p99 ms", lambda run: run.figures.p99_ms, "{:.2f}"),
    Measure("cpuMicrosecondsPerRequest", "CPU µs a request", lambda run: run.figures.cpu_us_per_request),
    Measure("coreBusy", "of its core used", lambda run: run.figures.busy, "{:.0%}"),
    Measure("residentMiB", "MiB at rest", lambda run: run.resident_mib),
    Measure("peakMiB", "MiB at most", lambda run: run.peak_mib),
    Measure("readySeconds", "ready after s", lambda run: run.ready_seconds, "{:.2f}"),
)


@dataclass(frozen=True, slots=True)
class Aim:
    """What was aimed at, what was measured, and whether that is enough."""

    text: str
    measured: str
    met: bool


def aims(results: Results) -> Sequence[Aim]:
    """Compare with the aims what was measured; an aim about something that was left out is left out too."""
    return [*_rate_aims(results.runs), *_own_aims(results.runs.get(OURS, ())), *_cluster_aims(results.cluster)]


def _rate_aims(runs: Mapping[str, Sequence[Run]]) -> Iterator[Aim]:
    for peer, factor in ((GO, 3.0), (NGINX, 0.25)):
        if OURS in runs and peer in runs:
            ratio = RATE.median(runs[OURS]) / RATE.median(runs[peer])
            yield Aim(f"{factor:g} times the requests/s of {peer}", f"{ratio:.2f} times", ratio >= factor)


def _own_aims(runs: Sequence[Run]) -> Iterator[Aim]:
    if runs:
        peak = max(run.peak_mib for run in runs)
        ready = max(run.ready_seconds for run in runs)
        yield Aim("at most 64 MiB standalone, in every run", f"{peak:.0f} MiB", peak <= 64)
        yield Aim("ready in 1 s, in every run", f"{ready:.2f} s", ready <= 1)


def _cluster_aims(cluster: ClusterMemory | None) -> Iterator[Aim]:
    if cluster:
        measured = f"{cluster.peak_mib:.0f} MiB ({cluster.resident_mib:.0f} at rest)"
        yield Aim("at most 90 MiB in a cluster", measured, cluster.peak_mib <= 90)


def print_report(console: Console, results: Results) -> None:
    """Print settings, the table and the aims."""
    console.print(", ".join(f"{key}: {value}" for key, value in results.settings.items()), highlight=False)
    table = Table(title="Median of the runs, and below it their range", title_justify="left")
    table.add_column()
    for name in results.runs:
        table.add_column(name, justify="right")
    for measure in MEASURES:
        table.add_row(measure.heading, *(measure.cell(runs) for runs in results.runs.values()))
    console.print(table)
    for aim in aims(results):
        mark = "[green]met   [/]" if aim.met else "[yellow]missed[/]"
        console.print(f"{mark} {aim.text}: {aim.measured}", highlight=False)


def as_json(results: Results) -> Mapping[str, Any]:
    """Return everything that was measured, medians and each run, as JSON values."""
    return {
        "settings": results.settings,
        "median": {
            name: {measure.key: measure.median(runs) for measure in MEASURES} for name, runs in results.runs.items()
        },
        "aims": [asdict(aim) for aim in aims(results)],
        "runs": {
            name: [{measure.key: measure.value(run) for measure in MEASURES} for run in runs]
            for name, runs in results.runs.items()
        },
        "cluster": asdict(results.cluster) if results.cluster else None,
    }
