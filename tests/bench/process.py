"""A server's process: started on one core, waited for, looked at, ended."""

import json
import os
import select
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

START_SECONDS = 20
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")

Process = subprocess.Popen[str]


class ServerError(RuntimeError):
    """A server cannot be built, or did not start; the message has what it said."""


@dataclass(frozen=True, slots=True)
class Launch:
    """One start of a server: its command, what it adds to the environment, and the file that verifies its certificate.

    ``wait`` returns the port once the server answers, or raises ServerError.
    """

    command: Sequence[str]
    authority: Path
    wait: Callable[[Process], int]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers: its process, its port, and how many seconds it took from start to ready."""

    pid: int
    port: int
    ready_seconds: float


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process has used so far: memory in MiB (now, and at most ever), processor time in seconds."""

    resident_mib: float
    peak_mib: float
    cpu_seconds: float


@contextmanager
def running(launch: Launch, folder: Path, *, core: int | None = None) -> Iterator[Running]:
    """Run a server for the body of the with statement, on one core where that is given. Raises ServerError."""
    log = folder / "server.log"
    pinned = () if core is None else ("taskset", "-c", str(core))
    command = [*pinned, *launch.command]
    environment = {**os.environ, **launch.environment}
    started = time.perf_counter()
    with (
        log.open("w") as stderr,
        Process(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=stderr, text=True) as process,
    ):
        try:
            port = launch.wait(process)
            yield Running(pid=process.pid, port=port, ready_seconds=time.perf_counter() - started)
        except ServerError as error:
            raise ServerError(f"{launch.command[0]}: {error}\n{log.read_text()[-2000:]}") from error
        finally:
            # Not terminated: a webhook that is asked to end goes on answering for a while, which only costs time here.
            process.kill()


def usage(pid: int) -> Usage:
    """Read from /proc what a process uses (proc(5): VmRSS, VmHWM, utime and stime). Raises OSError once it is gone."""
    process = Path("/proc") / str(pid)
    status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
    # The fields after the program's name, which is in parentheses and may hold anything.
    fields = (process / "stat").read_text().rpartition(")")[2].split()
    return Usage(
        resident_mib=int(status["VmRSS"].split()[0]) / 1024,
        peak_mib=int(status["VmHWM"].split()[0]) / 1024,
        cpu_seconds=(int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND,
    )


def thread_seconds(pid: int) -> float:
    """Read from /proc how long a process's first thread had a processor (nanoseconds, the first field of schedstat)."""
    return int((Path("/proc") / str(pid) / "task" / str(pid) / "schedstat").read_text().split()[0]) / 1e9


def free_port() -> int:
    """Return a loopback port on which no process listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def listening_line(process: Process) -> int:
    """Wait for the line of JSON on stdout that tells the port, and return that. Raises ServerError."""
    line = ""
    if process.stdout and select.select([process.stdout], [], [], START_SECONDS)[0]:
        line = process.stdout.readline()
    try:
        return int(json.loads(line)["port"])
    except (ValueError, KeyError, TypeError) as error:
        raise ServerError(f"no line on stdout that tells the port, but {line!r}") from error


def open_port(port: int) -> Callable[[Process], int]:
    """Return a wait for the moment when something listens on the port."""

    def wait(process: Process) -> int:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return port
            time.sleep(0.001)
        raise ServerError(f"nothing listens on port {port}")

    return wait
