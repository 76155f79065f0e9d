"""The listeners, from the first to the last: open, told on stdout, drained after SIGTERM, closed."""

import asyncio
import signal
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import orjson
from aiohttp import web

from webhook.server.admin import Admin
from webhook.server.app import Webhook

LOOPBACK = "127.0.0.1"

# The API server keeps idle connections for 90 s; the side that closes first must not be ours, in mid-request.
KEEP_ALIVE_SECONDS = 120

# What is under way at the end is given this long.
SHUTDOWN_SECONDS = 5


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
    """Serve until a stop is asked for, drain, and end."""
    async with (
        listener(admin.probes(), addresses.host, addresses.admin_port) as admin_port,
        listener(admin.decisions(), LOOPBACK, addresses.decisions_port) as decisions_port,
        listener(webhook.application(), addresses.host, addresses.port, tls) as port,
    ):
        ports = {"event": "listening", "port": port, "adminPort": admin_port, "decisionsPort": decisions_port}
        print(orjson.dumps(ports).decode(), flush=True)  # noqa: T201  the one line on stdout, for whoever chose port 0
        await stop.asked.wait()
        webhook.draining.set()
        webhook.observer.log.info("draining", seconds=0 if stop.at_once.is_set() else drain_seconds)
        try:
            await asyncio.wait_for(stop.at_once.wait(), drain_seconds)
        except TimeoutError:
            webhook.observer.log.info("drained")


class Stop:
    """What the signals ask for: SIGTERM drains, SIGINT (or a second signal) ends at once."""

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
async def listener(app: web.Application, host: str, port: int, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Listen, and give the port that was got."""
    runner = web.AppRunner(
        app,
        access_log=None,
        keepalive_timeout=KEEP_ALIVE_SECONDS,
        shutdown_timeout=SHUTDOWN_SECONDS,
        # The API server compresses nothing; whoever does would have a few KiB grow to MiB past every limit of ours.
        auto_decompress=False,
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, host or None, port, ssl_context=tls, backlog=1024).start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()
