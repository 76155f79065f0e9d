"""Programs that a test starts, watches and stops, each with a log file of its own."""

import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

Answer = TypeVar("Answer")

STOP_SECONDS = 30
LOOK_AGAIN_SECONDS = 0.05
TAIL_LINES = 30

# The kernel ends a program whose starter is gone, however that came about. It needs no privileges.
DIES_WITH_US = ("setpriv", "--pdeathsig", "KILL", "--")


class ProcessDiedError(RuntimeError):
    """A program ended by itself; the message has the end of its log."""


@dataclass(frozen=True, slots=True)
class Started:
    """A running program and where it writes: standard output to ``output``, errors (its log) to ``log``."""

    name: str
    process: "subprocess.Popen[bytes]"
    output: Path
    log: Path

    def check_alive(self) -> None:
        """Raise ProcessDiedError if the program has ended."""
        code = self.process.poll()
        if code is not None:
            tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-TAIL_LINES:])
            raise ProcessDiedError(f"{self.name} ended with {code}; the end of {self.log}:\n{tail}")

    def wait_until(self, question: Callable[[], Answer], wanted: str, *, seconds: float = 60) -> Answer:
        """Ask as ``until`` does, and give up at once when the program has ended."""

        def alive_and_asked() -> Answer:
            self.check_alive()
            return question()

        return until(alive_and_asked, f"{self.name}: {wanted}", seconds=seconds)

    def kill(self) -> None:
        """End the program as a crash would: it gets no chance to say goodbye."""
        self.process.kill()
        self.process.wait(STOP_SECONDS)


@contextmanager
def started(
    name: str, command: Sequence[object], logs: Path, *, environment: Mapping[str, str] | None = None
) -> Iterator[Started]:
    """Start a program, and stop it when the context ends; it does not outlive this process.

    A second start empties its output, but never its log.
    """
    output, log = logs / f"{name}.out", logs / f"{name}.log"
    with output.open("wb") as out, log.open("ab") as err:
        process = subprocess.Popen(
            [*DIES_WITH_US, *map(str, command)], stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=environment
        )
    try:
        yield Started(name, process, output, log)
    finally:
        _stop(process)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(STOP_SECONDS)


def until(question: Callable[[], Answer], wanted: str, *, seconds: float = 60) -> Answer:
    """Ask until the answer is true, and return it; raise TimeoutError, which says what was wanted, after ``seconds``.

    For what another program does in its own time and tells nobody about.
    """
    deadline = time.monotonic() + seconds
    while not (answer := question()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds:.0f} s: {wanted}; last answer: {answer!r}")
        time.sleep(LOOK_AGAIN_SECONDS)
    return answer
