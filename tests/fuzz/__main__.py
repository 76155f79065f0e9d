"""`make fuzz`: every target in turn, guided by the coverage of our code, for a share of the time.

A crash ends it: the input is written down, and belongs into tests/fuzz/corpus once the fault is understood.
"""

import argparse
import math
import os
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import orjson

TESTS = Path(__file__).parents[1]
# Where a stranger writes the most gets the most of the time.
SHARES = {"body": 10, "view": 3, "policy": 1, "policy-keys": 1, "event": 1, "secret": 2, "filters": 1}
REVIEWS = 1_000_000
# The instrumented process with Hypothesis and the views takes 250 MiB before its first input; the chart allows 256.
MEMORY_MIB = 512
LONGEST_BYTES = 512 * 1024
# A small review beside any body waits 0.5 s at most: instrumented code is about ten times as slow.
CONTRACT_SECONDS, INSTRUMENTED = 0.5, 10
# What a machine on which the contract was measured takes for a known piece of work.
USUAL_SECONDS = 0.05


def main() -> int:
    """Run the targets, or, as a child, one of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--target", choices=sorted(SHARES), help="this one alone, for all the time")
    parser.add_argument("--runs", type=int, help="in this process: so many at the most")
    given = parser.parse_args()
    if given.runs:
        run(given.target, given.seconds, given.runs)
        return 0
    shares = {given.target: 1} if given.target else SHARES
    total = sum(shares.values())
    for target, share in shares.items():
        if not on_every_core(target, max(1, given.seconds * share // total)):
            return 1
    return 0


def on_every_core(target: str, seconds: int) -> bool:
    """Run one target in a process a core, and return whether none of them found a fault."""
    cores = os.cpu_count() or 1
    print(f"== fuzz {target} for {seconds} s in {cores} processes", flush=True)  # noqa: T201
    command = [sys.executable, "-m", "tests.fuzz", "--target", target, "--seconds", str(seconds)]
    children = [subprocess.Popen([*command, "--runs", str(REVIEWS // cores)], cwd=TESTS.parent) for _ in range(cores)]
    codes = [child.wait() for child in children]
    return not any(codes)


def run(target: str, seconds: int, runs: int) -> None:
    """Run one target until its time is over; a fault ends the process with another code than 0."""
    import atheris  # noqa: PLC0415 - only here

    sys.path.insert(0, str(TESTS))
    with atheris.instrument_imports(include=["webhook", "certs"]):
        from fuzz import targets  # noqa: PLC0415 - what is imported here is watched
        from fuzz.mutate import mutated  # noqa: PLC0415
    chosen = targets.RAW.get(target) or targets.DRAWN[target].hypothesis.fuzz_one_input  # type: ignore[attr-defined]
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(targets.seeds(target)):
            (Path(corpus) / str(number)).write_bytes(seed)
        limits = [
            f"-max_total_time={seconds}",
            f"-runs={runs}",
            f"-timeout={timeout_seconds()}",
            f"-rss_limit_mb={MEMORY_MIB}",
            f"-max_len={LONGEST_BYTES}",
        ]
        options: dict[str, Any] = {}
        if target in targets.OF_JSON:
            options["custom_mutator"] = lambda data, limit, seed: mutated(data, limit, seed, atheris.Mutate)
        atheris.Setup([sys.argv[0], *limits, corpus], partial(_kept, chosen, target), **options)
        atheris.Fuzz()


def timeout_seconds() -> int:
    """Return how long an input may take on this machine: the contract's time, by how fast the machine is."""
    began = time.process_time()
    for _ in range(20):
        orjson.loads(orjson.dumps([{"a": number} for number in range(5000)]))
    slower = max(1.0, (time.process_time() - began) / USUAL_SECONDS)
    return math.ceil(CONTRACT_SECONDS * INSTRUMENTED * slower)


def _kept(chosen: Callable[[bytes], object], target: str, data: bytes) -> None:
    """Run a target, and write down an input that it does not survive."""
    try:
        chosen(data)
    except Exception:
        path = TESTS.parent / f"fuzz-{target}-{zlib.crc32(data):08x}"
        path.write_bytes(data)
        print(f"the input is in {path.name}", flush=True)  # noqa: T201
        raise


if __name__ == "__main__":
    sys.exit(main())
