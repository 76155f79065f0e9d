"""The real standalone server in a process of its own, and the small review that must not wait."""

import json
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from hostile.corpus import hostile_view, small_review

START_SECONDS = 120
ANSWER_SECONDS = 60
# With it the driver's libraries are mounted: the largest patch.
MOUNT_POLICY = "fallback: 'on'\nhostPathGranted: true\n"
RUNTIME_CLASS = {
    "apiVersion": "node.k8s.io/v1",
    "kind": "RuntimeClass",
    "metadata": {"name": "nvidia"},
    "handler": "nvidia",
}


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers: its process, its port, and the context that verifies it."""

    pid: int
    port: int
    tls: ssl.SSLContext

    def connect(self, *, handshake: bool = True) -> socket.socket:
        """Open a connection, with TLS or bare."""
        bare = socket.create_connection(("127.0.0.1", self.port), timeout=ANSWER_SECONDS)
        bare.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self.tls.wrap_socket(bare, server_hostname="localhost") if handshake else bare

    def peak_mib(self) -> float:
        """Return the peak resident size (VmHWM) since it was reset."""
        status = (Path("/proc") / str(self.pid) / "status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024

    def processor_seconds(self) -> float:
        """Return how long its first thread had a processor (the first field of schedstat)."""
        task = Path("/proc") / str(self.pid) / "task" / str(self.pid)
        return int((task / "schedstat").read_text().split()[0]) / 1e9

    def reset_peak(self) -> None:
        """Begin to measure the peak anew (proc(5): clear_refs)."""
        (Path("/proc") / str(self.pid) / "clear_refs").write_text("5")


@contextmanager
def running_server(nodes: int, verdict: str, folder: Path) -> Iterator[Server]:
    """Start a server over a view of so many nodes, whose verdict is ``inject`` or ``mount``."""
    view = hostile_view(nodes)
    if verdict == "inject":
        view["items"].append(RUNTIME_CLASS)
    else:
        view["items"].append({"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClassList", "items": []})
    (folder / "view.yaml").write_text(json.dumps(view))
    (folder / "policy.yaml").write_text(MOUNT_POLICY if verdict == "mount" else "")
    files = ["--view", "view.yaml", "--policy", "policy.yaml", "--ca-file", "ca.crt"]
    ports = ["--port", "0", "--admin-port", "0", "--decisions-port", "0"]
    command = [sys.executable, "-m", "webhook", "serve", "--standalone", *files, *ports]
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        try:
            assert process.stdout
            port = json.loads(process.stdout.readline())["port"]
            yield Server(process.pid, port, ssl.create_default_context(cafile=folder / "ca.crt"))
        finally:
            process.kill()


def post(path: str, body: bytes, timeout_seconds: int = 30, head: str = "") -> bytes:
    """Return a request as it is written on a connection."""
    line = f"POST {path}?timeout={timeout_seconds}s HTTP/1.1\r\nHost: localhost\r\n"
    return f"{line}{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def status_of(connection: socket.socket) -> str:
    """Read one answer, and return its status and decision; ``closed`` where there was none."""
    data = b""
    try:
        while b"\r\n\r\n" not in data:
            chunk = connection.recv(65536)
            if not chunk:
                return "closed"
            data += chunk
        head, _, rest = data.partition(b"\r\n\r\n")
        length = next(
            (int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")), 0
        )
        while len(rest) < length and (chunk := connection.recv(65536)):
            rest += chunk
    except (ConnectionError, ssl.SSLError):
        return "closed"
    status = head.split()[1].decode()
    decided = rest.partition(b'"decision":"')[2].partition(b'"')[0].decode()
    return f"{status} {decided}".rstrip()


class Probe:
    """Sends the small review again and again over one connection, and notes how long each answer takes."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._request = post("/mutate/workloads", small_review(), timeout_seconds=3)
        self._stopped = False
        self.waits: list[tuple[float, float, float]] = []
        self.refused: list[str] = []
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        while len(self.waits) < 5:
            time.sleep(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped = True
        self._thread.join()

    def longest_ms(self, since: float) -> tuple[float, float]:
        """Return the longest wait of a review that was answered since a moment, and the longest in processor time.

        The second leaves out what other programs took of the machine meanwhile.
        """
        found = [(wait, busy) for ended, wait, busy in self.waits if ended >= since] or [(0.0, 0.0)]
        return max(wait for wait, _ in found) * 1000, max(busy for _, busy in found) * 1000

    def _run(self) -> None:
        connection = self._server.connect()
        while not self._stopped:
            began, busy = time.perf_counter(), self._server.processor_seconds()
            try:
                connection.sendall(self._request)
                status = status_of(connection)
            except (OSError, ssl.SSLError):
                status = "closed"
            ended = time.perf_counter()
            self.waits.append((ended, ended - began, self._server.processor_seconds() - busy))
            if not status.startswith("200"):
                self.refused.append(status)
                connection = self._server.connect()
            time.sleep(0.001)
