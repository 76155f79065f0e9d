"""Acts as kube-proxy for a Service, on loopback: each new connection goes to the next endpoint, bytes are forwarded.

So TLS is between the API server and a replica, and an endpoint that went away without a word costs the connections that
are sent to it, as it does in a cluster.
"""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from e2e.control_plane import LOOPBACK

CHUNK = 64 * 1024
LOOK_AGAIN_SECONDS = 0.05


@dataclass
class Forwarder:
    """One port of loopback and the ports behind it, which a test may change at any time.

    While it ``swallows``, connections stay open and no byte arrives, as behind a firewall that drops packets.
    """

    endpoints: list[int] = field(default_factory=list)
    swallows: bool = False
    connections: int = 0
    writers: set[asyncio.StreamWriter] = field(default_factory=set)
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)

    def cut(self) -> None:
        """End every open connection; another thread may call this."""
        for writer in tuple(self.writers):
            self.loop.call_soon_threadsafe(writer.transport.abort)

    async def pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection until either end closes it."""
        endpoints = list(self.endpoints)
        self.connections += 1
        try:
            behind = endpoints[self.connections % len(endpoints)]
            its_reader, its_writer = await asyncio.open_connection(LOOPBACK, behind)
        except (OSError, ZeroDivisionError):
            writer.transport.abort()
            return
        ends = {writer, its_writer}
        self.writers |= ends
        await asyncio.gather(self._carry(reader, its_writer), self._carry(its_reader, writer))
        self.writers -= ends

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(CHUNK):
                while self.swallows:  # noqa: ASYNC110  another thread says when, and an Event is not for two
                    await asyncio.sleep(LOOK_AGAIN_SECONDS)
                writer.write(chunk)
                await writer.drain()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


@contextlib.contextmanager
def forwarding(port: int, *endpoints: int) -> Iterator[Forwarder]:
    """Forward a port until the context ends, in a thread of its own."""
    forwarder = Forwarder(list(endpoints))
    loop = forwarder.loop
    ready, over = threading.Event(), asyncio.Event()

    async def serve() -> None:
        server = await asyncio.start_server(forwarder.pass_on, LOOPBACK, port, backlog=1024)
        ready.set()
        await over.wait()
        server.close()
        for writer in forwarder.writers:
            writer.transport.abort()
        await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}), return_exceptions=True)

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), name="forwarder")
    thread.start()
    try:
        assert ready.wait(10)
        yield forwarder
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
        loop.close()
