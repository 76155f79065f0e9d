"""Memory after many requests: what a webhook keeps, it keeps from the first thousand on."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from .load import measure
from .process import running, usage
from .rows import GO, OURS, Bench, Row
from .servers import SERVERS

SLICE_SECONDS = 10


def endurance(bench: Bench) -> Iterator[Row]:
    """Send one server after the other the asked number of requests, once. Raises ServerError, LoadError."""
    measured = {name: _memory(name, bench) for name in (OURS, GO)}
    yield Row("earlyMiB", "MiB after a tenth of that", {name: [early] for name, (early, _) in measured.items()})
    heading = f"MiB after {bench.requests:,} requests"
    yield Row("lateMiB", heading, {name: [late] for name, (_, late) in measured.items()})


def _memory(name: str, bench: Bench) -> tuple[float, float]:
    """Return the resident memory in MiB after a tenth of the requests, and after all."""
    early, resident, sent = 0.0, 0.0, 0
    with tempfile.TemporaryDirectory(prefix="gpu-injector-bench-") as temporary:
        folder = Path(temporary)
        with running(SERVERS[name](folder), folder, core=bench.cores[0]) as server:
            while sent < bench.requests:
                bench.say(f"endurance: {name}, {sent:,} requests")
                sent += measure(server, core=bench.cores[1], seconds=SLICE_SECONDS, folder=folder).requests
                resident = usage(server.pid).resident_mib
                early = early or (resident if sent >= bench.requests / 10 else 0.0)
            return early, resident
