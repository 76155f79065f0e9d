"""Senders that are hostile together: connections without end, slow bodies, many large ones at once."""

import resource
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

from hostile.corpus import MIB, review, small_review
from hostile.pods import pod
from hostile.server import Server, post, status_of

MANY = 3000
PATH = "/mutate/workloads"
Scene = Callable[[Server, ExitStack], None]

# What must be served in each scene, over a connection of its own: more than a slow sender's share, less than a page.
LEGITIMATE = review(pod(metadata={"annotations": {"note": "x" * 70 * 1024}}))


def allow_many_files() -> None:
    """Let this process open as many connections as the scenes need."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _opened(server: Server, stack: ExitStack, count: int, sent: bytes, *, handshake: bool) -> None:
    for _ in range(count):
        with suppress(OSError):
            connection = server.connect(handshake=handshake)
            stack.callback(connection.close)
            connection.sendall(sent)


def _bare(count: int, sent: bytes) -> Scene:
    return lambda server, stack: _opened(server, stack, count, sent, handshake=False)


def _over_tls(count: int, sent: bytes) -> Scene:
    return lambda server, stack: _opened(server, stack, count, sent, handshake=True)


def _begun(announced: int, sent: int) -> bytes:
    """Return a request whose body is not all there."""
    body = b'{"x":"' + b"y" * announced
    return post(PATH, body)[: sent - announced - len(b'{"x":"')] if sent < announced else post(PATH, body)


def _answered_and_idle(server: Server, stack: ExitStack) -> None:
    request = post(PATH, small_review())
    for _ in range(MANY):
        with suppress(OSError):
            connection = server.connect()
            stack.callback(connection.close)
            connection.sendall(request)
            status_of(connection)


def _at_once(count: int, body: bytes) -> Scene:
    def scene(server: Server, stack: ExitStack) -> None:
        threads = [threading.Thread(target=_sent, args=(server, body), daemon=True) for _ in range(count)]
        for thread in threads:
            thread.start()
            stack.callback(thread.join)

    return scene


def _sent(server: Server, body: bytes) -> None:
    with suppress(OSError):
        connection = server.connect()
        connection.sendall(post(PATH, body))
        status_of(connection)
        connection.close()


def _disconnected(server: Server, _: ExitStack) -> None:
    for _turn in range(200):
        connection = server.connect()
        connection.sendall(_begun(100_000, 50_000))
        connection.close()


def _reset(server: Server, _: ExitStack) -> None:
    for _turn in range(MANY):
        connection = server.connect(handshake=False)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        connection.close()


def _pipelined(server: Server, stack: ExitStack) -> None:
    connection = server.connect()
    stack.callback(connection.close)
    with suppress(OSError):
        connection.settimeout(2)
        connection.sendall(post(PATH, small_review()) * 2000)


def _chunked(chunk: bytes, count: int) -> Scene:
    head = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n".encode()

    def scene(server: Server, stack: ExitStack) -> None:
        connection = server.connect()
        stack.callback(connection.close)
        with suppress(OSError):
            connection.sendall(head + chunk * count)

    return scene


def _headers(server: Server, stack: ExitStack) -> None:
    lines = "".join(f"X-{number}: {'v' * 2000}\r\n" for number in range(20))
    _opened(server, stack, 500, post(PATH, small_review(), head=lines), handshake=True)


DENSE = review(pod(x=[{"": 0}] * 120_000)).ljust(7 * MIB // 2)
SCENES: Mapping[str, Scene] = {
    f"{MANY:,} connections without a handshake": _bare(MANY, b""),
    f"{MANY:,} connections with half a handshake": _bare(MANY, b"\x16\x03\x01\x02\x00\x01"),
    f"{MANY:,} connections that say nothing": _over_tls(MANY, b""),
    f"{MANY:,} connections that had an answer": _answered_and_idle,
    "1,500 connections with half a head": _over_tls(1500, b"POST /mutate/workloads HTTP/1.1\r\nHost: "),
    "1,500 senders of 60 of 64 KiB": _over_tls(1500, _begun(64 * 1024, 60 * 1024)),
    "16 slow senders of 100 KiB of 3 MiB": _over_tls(16, _begun(3 * MIB, 100 * 1024)),
    "40 senders of all but the last byte of 3.9 MiB": _over_tls(40, _begun(39 * MIB // 10, 39 * MIB // 10 - 1)),
    "32 dense bodies of 3.5 MiB at once": _at_once(32, DENSE),
    "64 bodies of 3.5 MiB that are no JSON at once": _at_once(64, b"[" * 1000 + b" " * (7 * MIB // 2)),
    "200 clients that go away in mid-body": _disconnected,
    f"{MANY:,} connections that are reset at once": _reset,
    "2,000 requests on one connection at once": _pipelined,
    "chunks of one byte": _chunked(b"1\r\n{\r\n", 200_000),
    "chunks without an end": _chunked(b"10000\r\n" + b"x" * 0x10000 + b"\r\n", 200),
    "a chunk of no length": _chunked(b"x\r\n", 1),
    "500 requests of 40 KB of headers": _headers,
}


@dataclass(frozen=True, slots=True)
class Beside:
    """What a legitimate client met in a scene: its answer, and how long it waited in ms, on a connection of its own."""

    answer: str
    wait_ms: float


@contextmanager
def in_scene(server: Server, name: str) -> Iterator[None]:
    """Set a scene up, and hold it until the block ends."""
    with ExitStack() as stack:
        SCENES[name](server, stack)
        yield


def legitimate(server: Server) -> Beside:
    """Send a review of 70 KiB on a new connection."""
    began = time.perf_counter()
    try:
        connection = server.connect()
        connection.sendall(post(PATH, LEGITIMATE, timeout_seconds=3))
        answer = status_of(connection)
        connection.close()
    except (OSError, ssl.SSLError) as error:
        answer = type(error).__name__
    return Beside(answer, (time.perf_counter() - began) * 1000)
