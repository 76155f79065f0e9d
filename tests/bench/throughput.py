"""Closed loop: as much as one core can do, with 16 connections that each wait for their answer."""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from .load import Figures, measure
from .process import Running, running, usage
from .review import check_answer
from .rows import Bench, Row
from .servers import SERVERS

WARM_UP_SECONDS = 1


@dataclass(frozen=True, slots=True)
class Run:
    """One start of one server: how long it took, its memory before and at most under load, and the load's figures."""

    ready_seconds: float
    resident_mib: float
    peak_mib: float
    figures: Figures


Measure = tuple[str, str, Callable[[Run], float], str]

MEASURES: tuple[Measure, ...] = (
    ("requestsPerSecond", "requests/s", lambda run: run.figures.requests_per_second, "{:,.0f}"),
    ("p50Milliseconds", "p50 ms", lambda run: run.figures.p50_ms, "{:.2f}"),
    ("p99Milliseconds", "p99 ms", lambda run: run.figures.p99_ms, "{:.2f}"),
    ("cpuMicrosecondsPerRequest", "CPU µs a request", lambda run: run.figures.cpu_us_per_request, "{:,.0f}"),
    ("coreBusy", "of its core used", lambda run: run.figures.busy, "{:.0%}"),
    ("residentMiB", "MiB at rest", lambda run: run.resident_mib, "{:.0f}"),
    ("peakMiB", "MiB at most", lambda run: run.peak_mib, "{:.0f}"),
    ("readySeconds", "ready after s", lambda run: run.ready_seconds, "{:.2f}"),
)


def throughput(bench: Bench) -> Iterator[Row]:
    """Measure every server as often as asked, in turns: what else the machine does meets all of them alike.

    Raises ServerError, WrongAnswerError and LoadError.
    """
    measured: Mapping[str, list[Run]] = {name: [] for name in SERVERS}
    for turn in range(bench.runs):
        for name, runs in measured.items():
            bench.say(f"throughput: {name}, run {turn + 1} of {bench.runs}")
            runs.append(_run_once(name, bench))
    for key, heading, value, form in MEASURES:
        yield Row(key, heading, {name: [value(run) for run in runs] for name, runs in measured.items()}, form)


def _run_once(name: str, bench: Bench) -> Run:
    """Start a server, see that it answers right, warm it up, load it, and end it."""
    with tempfile.TemporaryDirectory(prefix="gpu-injector-bench-") as temporary:
        folder = Path(temporary)
        launch = SERVERS[name](folder)
        with running(launch, folder, core=bench.cores[0]) as server:
            check_answer(server.port, launch.authority)
            at_rest = usage(server.pid).resident_mib
            warm_up(server, bench, folder)
            figures = measure(server, core=bench.cores[1], seconds=bench.seconds, folder=folder)
            return Run(server.ready_seconds, at_rest, usage(server.pid).peak_mib, figures)


def warm_up(server: Running, bench: Bench, folder: Path) -> None:
    """Load a server for a moment, so that what it does only once is not measured."""
    measure(server, core=bench.cores[1], seconds=WARM_UP_SECONDS, folder=folder)
