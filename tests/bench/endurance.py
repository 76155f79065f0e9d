"""Memory after many requests: what a webhook keeps, it keeps from the first thousand on."""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from .load import measure
from .process import running, usage
from .rows import GO, OURS, Bench, Row
from .servers import SERVERS

SLICE_SECONDS = 10


def endurance(bench: Bench) -> Iterator[Row]:
    """Send ours the asked number of requests, once, and the one in Go a tenth. Raises ServerError, LoadError."""
    early, late = _memory(OURS, (bench.requests // 10, bench.requests), bench)
    # At its rate all of them would take the better part of an hour.
    (peer,) = _memory(GO, (bench.requests // 10,), bench)
    yield Row("earlyMiB", f"MiB after {bench.requests // 10:,} requests", {OURS: [early], GO: [peer]})
    yield Row("lateMiB", f"MiB after {bench.requests:,} requests", {OURS: [late]})


def _memory(name: str, numbers: Sequence[int], bench: Bench) -> Sequence[float]:
    """Return the resident memory in MiB after each of these numbers of requests, which rise."""
    found, sent = [], 0
    with tempfile.TemporaryDirectory(prefix="gpu-injector-bench-") as temporary:
        folder = Path(temporary)
        with running(SERVERS[name](folder), folder, core=bench.cores[0]) as server:
            for number in numbers:
                while sent < number:
                    bench.say(f"endurance: {name}, {sent:,} requests")
                    sent += measure(server, core=bench.cores[1], seconds=SLICE_SECONDS, folder=folder).requests
                found.append(usage(server.pid).resident_mib)
    return found
