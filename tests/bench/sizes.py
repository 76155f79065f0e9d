"""What one review costs by the size of its body: 3, 11 and 50 KiB."""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from .load import measure
from .process import Launch, running
from .review import review_of_size
from .rows import FLOOR, GO, OURS, Bench, Row
from .servers import SERVERS, floor
from .throughput import warm_up

KIB = (3, 11, 50)
COMPARED: Mapping[str, Callable[[Path], Launch]] = {OURS: SERVERS[OURS], GO: SERVERS[GO], FLOOR: floor}


def sizes(bench: Bench) -> Iterator[Row]:
    """Measure processor time a request. Raises ServerError, LoadError."""
    measured: dict[int, dict[str, list[float]]] = {kib: {name: [] for name in COMPARED} for kib in KIB}
    for turn in range(bench.runs):
        for name in COMPARED:
            bench.say(f"sizes: {name}, run {turn + 1} of {bench.runs}")
            for kib, cost in _run_once(name, bench):
                measured[kib][name].append(cost)
    for kib, values in measured.items():
        yield Row(f"cpuMicrosecondsOf{kib}KiB", f"CPU µs of a review of {kib} KiB", values)


def _run_once(name: str, bench: Bench) -> Iterator[tuple[int, float]]:
    with tempfile.TemporaryDirectory(prefix="gpu-injector-bench-") as temporary:
        folder = Path(temporary)
        with running(COMPARED[name](folder), folder, core=bench.cores[0]) as server:
            warm_up(server, bench, folder)
            for kib in KIB:
                body = review_of_size(kib)
                figures = measure(server, core=bench.cores[1], seconds=2, folder=folder, body=body)
                yield kib, figures.cpu_us_per_request
