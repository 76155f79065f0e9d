"""Open loop: requests come at a fixed rate, whether earlier ones were answered or not, so that queueing counts."""

import base64
import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from e2e.binaries import BuildError, Program, build

from .load import LoadError
from .process import ServerError, running
from .review import WEBHOOK_PATH, compact_review
from .rows import Bench, Row
from .servers import SERVERS
from .throughput import warm_up

RATES = (50, 200, 1000)
VEGETA = Program("vegeta", "vegeta", "github.com/tsenart/vegeta/v12")
MODULES = Path(__file__).with_name("modules")


@dataclass(frozen=True, slots=True)
class Latencies:
    """What one attack met, in milliseconds."""

    p50_ms: float
    p99_ms: float


def rates(bench: Bench) -> Iterator[Row]:
    """Measure latencies of every server at each rate. Raises ServerError, LoadError."""
    try:
        vegeta = build(VEGETA, bench.say, modules=MODULES)
    except BuildError as error:
        raise ServerError(str(error)) from error
    measured: dict[int, dict[str, list[Latencies]]] = {rate: {name: [] for name in SERVERS} for rate in RATES}
    for turn in range(bench.runs):
        for name in SERVERS:
            bench.say(f"fixed rates: {name}, run {turn + 1} of {bench.runs}")
            for rate, met in _run_once(vegeta, name, bench):
                measured[rate][name].append(met)
    percentiles: tuple[tuple[str, Callable[[Latencies], float]], ...] = (
        ("p50", lambda met: met.p50_ms),
        ("p99", lambda met: met.p99_ms),
    )
    for rate, servers in measured.items():
        for word, value in percentiles:
            values = {name: [value(met) for met in runs] for name, runs in servers.items()}
            yield Row(f"{word}MillisecondsAt{rate}", f"{word} ms at {rate:,}/s", values, "{:.2f}")


def _run_once(vegeta: Path, name: str, bench: Bench) -> Iterator[tuple[int, Latencies]]:
    with tempfile.TemporaryDirectory(prefix="gpu-injector-bench-") as temporary:
        folder = Path(temporary)
        launch = SERVERS[name](folder)
        with running(launch, folder, core=bench.cores[0]) as server:
            warm_up(server, bench, folder)
            target = folder / "target.json"
            target.write_text(json.dumps(_target(server.port)) + "\n")
            for rate in RATES:
                yield rate, _attack(vegeta, target, launch.authority, rate, bench)


def _target(port: int) -> dict[str, object]:
    return {
        "method": "POST",
        "url": f"https://127.0.0.1:{port}{WEBHOOK_PATH}",
        "header": {"Content-Type": ["application/json"]},
        "body": base64.b64encode(compact_review()).decode(),
    }


def _attack(vegeta: Path, target: Path, authority: Path, rate: int, bench: Bench) -> Latencies:
    flags = ["-format=json", f"-targets={target}", f"-rate={rate}/s", f"-duration={bench.seconds}s"]
    flags += [f"-root-certs={authority}", "-http2=false", "-timeout=10s"]
    attack = ["taskset", "-c", str(bench.cores[1]), str(vegeta), "attack", *flags]
    told = json.loads(_output([str(vegeta), "report", "-type=json"], _output(attack)))
    # 0 is a request without an answer in time: it counts with the 10 s that it waited.
    if set(told["status_codes"]) - {"200", "0"}:
        raise LoadError(f"at {rate}/s: {told['status_codes']}, {told['errors'][:3]}")
    return Latencies(told["latencies"]["50th"] / 1e6, told["latencies"]["99th"] / 1e6)


def _output(command: list[str], stdin: bytes = b"") -> bytes:
    environment = {**os.environ, "GOMAXPROCS": "1"}
    done = subprocess.run(command, input=stdin, env=environment, capture_output=True, check=False, timeout=300)
    if done.returncode:
        raise LoadError(f"{command[0]} ended with {done.returncode}: {done.stderr.decode().strip()}")
    return done.stdout
