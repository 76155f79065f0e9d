"""What one review costs when its pod has more containers."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from .load import measure
from .process import running
from .review import review_with_containers
from .rows import GO, OURS, Bench, Row
from .servers import SERVERS
from .throughput import warm_up

COUNTS = (1, 10, 50)


def containers(bench: Bench) -> Iterator[Row]:
    """Measure processor time a request, ours and the Go webhook's. Raises ServerError, LoadError."""
    measured: dict[int, dict[str, list[float]]] = {count: {OURS: [], GO: []} for count in COUNTS}
    for turn in range(bench.runs):
        for name in (OURS, GO):
            bench.say(f"containers: {name}, run {turn + 1} of {bench.runs}")
            for count, cost in _run_once(name, bench):
                measured[count][name].append(cost)
    for count, values in measured.items():
        containers_word = "container" if count == 1 else "containers"
        yield Row(f"cpuMicrosecondsWith{count}Containers", f"CPU µs with {count} {containers_word}", values)


def _run_once(name: str, bench: Bench) -> Iterator[tuple[int, float]]:
    with tempfile.TemporaryDirectory(prefix="gpu-injector-bench-") as temporary:
        folder = Path(temporary)
        with running(SERVERS[name](folder), folder, core=bench.cores[0]) as server:
            warm_up(server, bench, folder)
            for count in COUNTS:
                body = review_with_containers(count)
                figures = measure(server, core=bench.cores[1], seconds=2, folder=folder, body=body)
                yield count, figures.cpu_us_per_request
