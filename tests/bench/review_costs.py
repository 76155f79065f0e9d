"""What one review costs, for several bodies and several servers."""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from .load import measure
from .process import Launch, running
from .rows import Bench
from .throughput import warm_up

SECONDS = 2
Costs = Mapping[int, Mapping[str, list[float]]]


def review_costs(
    bench: Bench, title: str, servers: Mapping[str, Callable[[Path], Launch]], bodies: Mapping[int, bytes]
) -> Costs:
    """Return the processor time of a review in microseconds, by the number of its body and by server, one a run.

    Raises ServerError, LoadError.
    """
    measured: dict[int, dict[str, list[float]]] = {number: {name: [] for name in servers} for number in bodies}
    for turn in range(bench.runs):
        for name, launch in servers.items():
            bench.say(f"{title}: {name}, run {turn + 1} of {bench.runs}")
            for number, cost in _run_once(bench, launch, bodies):
                measured[number][name].append(cost)
    return measured


def _run_once(
    bench: Bench, launch: Callable[[Path], Launch], bodies: Mapping[int, bytes]
) -> Iterator[tuple[int, float]]:
    with tempfile.TemporaryDirectory(prefix="gpu-injector-bench-") as temporary:
        folder = Path(temporary)
        with running(launch(folder), folder, core=bench.cores[0]) as server:
            warm_up(server, bench, folder)
            for number, body in bodies.items():
                figures = measure(server, core=bench.cores[1], seconds=SECONDS, folder=folder, body=body)
                yield number, figures.cpu_us_per_request
