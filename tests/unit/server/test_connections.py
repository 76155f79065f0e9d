"""Connections: never more than so many, and a new one is never refused."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from aiohttp import web

from webhook.server.listeners import LOOPBACK, listener

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
MOST = 6


@asynccontextmanager
async def served() -> AsyncIterator[int]:
    """Serve an empty page to few connections at a time."""

    async def page(_: web.Request) -> web.Response:
        return web.Response(text="ok")

    app = web.Application()
    app.router.add_get("/", page)
    async with listener(app, LOOPBACK, 0, most=MOST) as port:
        yield port


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def to(cls, port: int, stack: AsyncExitStack) -> "Client":
        """Connect."""
        client = cls(*await asyncio.open_connection(LOOPBACK, port))
        stack.callback(client.writer.close)
        return client

    async def ask(self) -> bool:
        """Say whether a request is answered."""
        self.writer.write(REQUEST)
        found = await self.reader.read(1000)
        return found.startswith(b"HTTP/1.1 200 ")

    async def is_closed(self) -> bool:
        """Wait until the server closes the connection."""
        try:
            return await self.reader.read(1) == b""
        except ConnectionError:
            return True


async def test_at_the_limit_the_oldest_silent_connection_is_closed() -> None:
    """The new one is served."""
    async with served() as port, AsyncExitStack() as stack:
        silent = [await Client.to(port, stack) for _ in range(MOST)]
        assert await (await Client.to(port, stack)).ask()
        assert await silent[0].is_closed()
        assert await silent[1].ask()


async def test_silent_connections_do_not_displace_those_that_had_an_answer() -> None:
    """An API server keeps its connections while others open them without end."""
    async with served() as port, AsyncExitStack() as stack:
        kept = await Client.to(port, stack)
        assert await kept.ask()
        others = [await Client.to(port, stack) for _ in range(5 * MOST)]
        assert await others[-1].ask()
        assert await kept.ask()


async def test_a_new_connection_is_served_where_all_others_had_an_answer() -> None:
    """Then the one goes whose last answer is the longest ago."""
    async with served() as port, AsyncExitStack() as stack:
        clients = [await Client.to(port, stack) for _ in range(MOST)]
        for client in (*clients, clients[0]):
            assert await client.ask()
        assert await (await Client.to(port, stack)).ask()
        assert await clients[1].is_closed()
        assert await clients[0].ask()


@pytest.mark.parametrize("host", [LOOPBACK, ""])
async def test_a_listener_gives_its_port(host: str) -> None:
    """On one address, or on all of them."""
    app = web.Application()
    async with listener(app, host, 0) as port:
        _, writer = await asyncio.open_connection(LOOPBACK, port)
        writer.close()
