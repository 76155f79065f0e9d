"""Programs that a test starts, watches and stops, each with a log file of its own."""

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

Answer = TypeVar("Answer")

STOP_SECONDS = 30
LOOK_AGAIN_SECONDS = 0.05
TAIL_LINES = 30

# The kernel ends a program when its parent has ended, for any reason. It needs no privileges.
DIES_WITH_US = ("setpriv", "--pdeathsig", "KILL", "--")


class ProcessDiedError(RuntimeError):
    """A program ended by itself; the message has the end of its log."""


@dataclass(slots=True)
class Started:
    """A running program and where it writes: standard output to ``output``, errors (its log) to ``log``.

    A second start empties the output, but never the log.
    """

    name: str
    command: Sequence[str]
    output: Path
    log: Path
    environment: Mapping[str, str] | None = None
    process: "subprocess.Popen[bytes]" = field(init=False)

    def __post_init__(self) -> None:
        self.start()

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

    def first_line(self) -> dict[str, Any]:
        """Return the JSON line that the program prints when it is ready, an empty object before that."""
        line, newline, _ = self.output.read_text().partition("\n")
        parsed: dict[str, Any] = json.loads(line) if newline else {}
        return parsed

    def kill(self) -> None:
        """End the program as a crash would, without a clean shutdown."""
        self.process.kill()
        self.process.wait(STOP_SECONDS)

    def stop(self) -> None:
        """End the program as its administrator would, and kill it if that takes too long."""
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stop the program until the context ends: it keeps its connections and answers nothing."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def start(self) -> None:
        """Start the program; again, when it has ended."""
        command = [*DIES_WITH_US, *self.command]
        with self.output.open("wb") as out, self.log.open("ab") as err:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=self.environment
            )


@contextmanager
def started(
    name: str, command: Sequence[object], logs: Path, *, environment: Mapping[str, str] | None = None
) -> Iterator[Started]:
    """Start a program, and stop it when the context ends; it does not outlive this process."""
    program = Started(name, [*map(str, command)], logs / f"{name}.out", logs / f"{name}.log", environment)
    try:
        yield program
    finally:
        program.stop()


def until(question: Callable[[], Answer], wanted: str, *, seconds: float = 60) -> Answer:
    """Ask until the answer is true, and return it; raise TimeoutError, which says what was wanted, after ``seconds``.

    For what another program does in its own time without an event. Long waits are polled less often: a
    question may cost a process, and others wait for the processor.
    """
    began = time.monotonic()
    while not (answer := question()):
        waited = time.monotonic() - began
        if waited > seconds:
            raise TimeoutError(f"not within {seconds:.0f} s: {wanted}; last answer: {answer!r}")
        time.sleep(min(max(LOOK_AGAIN_SECONDS, waited / 10), 1))
    return answer
