"""`make hostile`: the contract of docs/performance.md, measured on the real server; it writes build/hostile.json.

Ends with 1 where a small review waited longer than it may, or the memory grew beyond its limit.
"""

import argparse
import json
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from hostile.corpus import Input, inputs
from hostile.measure import Measured, largest, worst
from hostile.report import LIMITS, as_json, broken
from hostile.scenes import SCENES, allow_many_files, in_scene, legitimate
from hostile.server import Probe, Server, running_server

BUILD = Path(__file__).parents[2] / "build"
Search = Callable[[Server, Probe, Input], Iterator[Measured]]

CLUSTERS: tuple[tuple[int, str, Search], ...] = (
    (200, "inject", largest),
    (5000, "inject", worst),
    (5000, "mount", worst),
)


@dataclass(frozen=True, slots=True)
class Run:
    """What was measured on one server."""

    nodes: int
    verdict: str
    inputs: tuple[Measured, ...]
    scenes: tuple[Measured, ...]


def main() -> int:
    """Measure every server, and return 1 where the contract is broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="the inputs and scenes whose name contains this")
    parser.add_argument("--quick", action="store_true", help="each input at its largest alone, without the search")
    given = parser.parse_args()
    allow_many_files()
    chosen = [(nodes, verdict, largest if given.quick else search) for nodes, verdict, search in CLUSTERS]
    runs = [_measured(nodes, verdict, search, given.only) for nodes, verdict, search in chosen]
    settings = {
        "search": not given.quick,
        "processor": platform.machine(),
        "python": platform.python_version(),
        "limits": LIMITS,
    }
    BUILD.mkdir(exist_ok=True)
    written = as_json(settings, [asdict(run) for run in runs])
    (BUILD / "hostile.json").write_text(json.dumps(written, indent=1) + "\n")
    found = list(broken(written))
    say(*(f"BROKEN: {line}" for line in found))
    return int(bool(found))


def _measured(nodes: int, verdict: str, search: Search, only: str) -> Run:
    say(f"== {nodes} nodes, {verdict}", "   (wait, of that processor time, peak memory, answer)")
    with (
        tempfile.TemporaryDirectory() as folder,
        running_server(nodes, verdict, Path(folder)) as server,
        Probe(server) as probe,
    ):
        bodies = tuple(_each(lambda: _inputs(server, probe, only, search)))
        scenes = tuple(_each(lambda: _scenes(server, probe, only))) if verdict == "inject" else ()
    return Run(nodes, verdict, bodies, scenes)


def _each(measure: Callable[[], Iterator[Measured]]) -> Iterator[Measured]:
    for found in measure():
        say(found.line())
        yield found


def _inputs(server: Server, probe: Probe, only: str, search: Search) -> Iterator[Measured]:
    for item in inputs():
        if only in item.name:
            yield from search(server, probe, item)


def _scenes(server: Server, probe: Probe, only: str) -> Iterator[Measured]:
    for name in SCENES:
        if only in name:
            server.reset_peak()
            since = time.perf_counter()
            with in_scene(server, name):
                beside = legitimate(server)
                time.sleep(0.2)
            wait, busy = probe.longest_ms(since)
            refused = f", {len(probe.refused)} small reviews refused" if probe.refused else ""
            probe.refused.clear()
            answer = f"a review of 70 KiB: {beside.answer}{refused}"
            yield Measured(name, "scene", 0, 0, wait, busy, server.peak_mib(), answer)


def say(*lines: str) -> None:
    """Print lines."""
    for line in lines:
        print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
