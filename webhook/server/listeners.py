"""The life of the listeners: opened, announced on stdout, drained after SIGTERM, closed."""

import asyncio
import signal
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import orjson
from aiohttp import web

from webhook.server.admin import Admin
from webhook.server.app import Webhook
from webhook.server.connections import Connections
from webhook.server.memory import keep_trimming

LOOPBACK = "127.0.0.1"

# The API server closes idle connections after 90 s. We must not close first: that could break a request.
KEEP_ALIVE_SECONDS = 120

# The time for open requests at the end.
SHUTDOWN_SECONDS = 5

# API servers keep up to 25 idle connections each. More requests at a time than this could not be answered in time.
# An idle connection takes 50 KiB, mostly in OpenSSL.
MOST_CONNECTIONS = 250
# Probes, scrapes and people.
FEW_CONNECTIONS = 100
BACKLOG = 1024
HEADERS, HEADER_BYTES = 24, 2048
RECEIVE_BUFFER_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where to listen. An empty host is every address; the decisions are always on loopback; port 0 is a free one."""

    host: str
    port: int
    admin_port: int
    decisions_port: int


async def run(  # noqa: PLR0913 - each of them is another thing
    webhook: Webhook, admin: Admin, tls: ssl.SSLContext, addresses: Addresses, *, stop: "Stop", drain_seconds: float
) -> None:
    """Serve until a stop is requested, drain, and end."""
    async with (
        listener(admin.probes(), addresses.host, addresses.admin_port, most=FEW_CONNECTIONS) as admin_port,
        listener(admin.decisions(), LOOPBACK, addresses.decisions_port, most=FEW_CONNECTIONS) as decisions_port,
        listener(webhook.application(), addresses.host, addresses.port, tls) as port,
    ):
        ports = {"event": "listening", "port": port, "adminPort": admin_port, "decisionsPort": decisions_port}
        print(orjson.dumps(ports).decode(), flush=True)  # noqa: T201  the one line on stdout, for a caller that chose port 0
        trimming = asyncio.create_task(keep_trimming())
        await stop.asked.wait()
        webhook.draining.set()
        webhook.observer.log.info("draining", seconds=0 if stop.at_once.is_set() else drain_seconds)
        try:
            await asyncio.wait_for(stop.at_once.wait(), drain_seconds)
        except TimeoutError:
            webhook.observer.log.info("drained")
        trimming.cancel()


class Stop:
    """Handles signals: SIGTERM drains, SIGINT (or a second signal) ends at once."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.at_once = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._terminate)
        loop.add_signal_handler(signal.SIGINT, self._interrupt)

    def _terminate(self) -> None:
        if self.asked.is_set():
            self.at_once.set()
        self.asked.set()

    def _interrupt(self) -> None:
        self.at_once.set()
        self.asked.set()


@asynccontextmanager
async def listener(
    app: web.Application, host: str, port: int, tls: ssl.SSLContext | None = None, *, most: int = MOST_CONNECTIONS
) -> AsyncIterator[int]:
    """Listen, with a limit on open connections, and return the port."""
    runner = web.AppRunner(
        app,
        access_log=None,
        keepalive_timeout=KEEP_ALIVE_SECONDS,
        shutdown_timeout=SHUTDOWN_SECONDS,
        # The API server compresses nothing. A few KiB could grow to MiB, beyond every limit.
        auto_decompress=False,
        # The API server sends ten short headers, and the token of a ServiceAccount if it is configured.
        # Browsers send more, and the cookies of every local page.
        max_headers=HEADERS if tls else 2 * HEADERS,
        max_field_size=HEADER_BYTES if tls else 4 * HEADER_BYTES,
    )
    connections = Connections(runner, most=most, tls=tls)
    app.on_response_prepare.append(connections.answered)
    await runner.setup()
    try:
        with _listening(host, port) as listening:
            accepting = asyncio.create_task(connections.run(listening))
            try:
                yield int(listening.getsockname()[1])
            finally:
                accepting.cancel()
                await asyncio.gather(accepting, return_exceptions=True)
                await connections.close()
    finally:
        await runner.cleanup()


def _listening(host: str, port: int) -> socket.socket:
    """Listen on an address, or on all of them, IPv6 too where the machine has it."""
    everywhere = not host and socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if everywhere or ":" in host else socket.AF_INET
    listening = socket.create_server((host, port), family=family, backlog=BACKLOG, dualstack_ipv6=everywhere)
    listening.setblocking(False)
    # The receive buffer of a connection: it limits what one read takes into the buffers of TLS and HTTP.
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    return listening
