"""One run of wrk against a server, and what the server used meanwhile."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .process import Running, usage
from .review import WEBHOOK_PATH, compact_review

CONNECTIONS = 16
SCRIPT = Path(__file__).with_name("load.lua")


class LoadError(RuntimeError):
    """The load met errors: figures of a server that fails some requests are none."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What one run measured: requests and their rate, latencies in milliseconds, and the server's processor time.

    ``busy`` is the share of its core that the server really had: well below 1 means that something else
    (the load, or another program on the machine) set the pace.
    """

    requests: int
    requests_per_second: float
    p50_ms: float
    p99_ms: float
    cpu_us_per_request: float
    busy: float


def measure(server: Running, *, core: int, seconds: int, folder: Path, body: bytes | None = None) -> Figures:
    """Load a server with a body (the review, if none is given) for some seconds, with wrk on its own core.

    Raises LoadError.
    """
    before = usage(server.pid).cpu_seconds
    result = _wrk(server.port, body or compact_review(), core=core, seconds=seconds, folder=folder)
    cpu = usage(server.pid).cpu_seconds - before
    wall = result["microseconds"] / 1e6
    return Figures(
        requests=result["requests"],
        requests_per_second=result["requests"] / wall,
        p50_ms=result["p50"] / 1000,
        p99_ms=result["p99"] / 1000,
        cpu_us_per_request=cpu * 1e6 / result["requests"],
        busy=cpu / wall,
    )


def _wrk(port: int, body: bytes, *, core: int, seconds: int, folder: Path) -> dict[str, int]:
    file = folder / "review.json"
    file.write_bytes(body)
    flags = ["--threads", "1", "--connections", str(CONNECTIONS), "--duration", f"{seconds}s", "--script", str(SCRIPT)]
    command = ["taskset", "-c", str(core), "wrk", *flags, f"https://127.0.0.1:{port}", "--", str(file), WEBHOOK_PATH]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds + 30)
    if done.returncode:
        raise LoadError(f"wrk ended with {done.returncode}: {done.stderr.strip() or done.stdout.strip()}")
    result: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    if result["not_2xx"] or result["broken"] or not result["requests"]:
        raise LoadError(f"{result['requests']} requests, {result['not_2xx']} not 2xx, {result['broken']} broken")
    return result
