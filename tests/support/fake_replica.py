"""A replica's TLS listener, for tests that read its certificate."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from certs.secret_content import SecretContent
from certs.tls_context import LiveTls


@asynccontextmanager
async def presenting(material: SecretContent) -> AsyncIterator[int]:
    """Present a leaf on loopback until the block ends, and yield the port; a connection is closed once it is made."""
    tls = LiveTls()
    tls.present(material.leaf)

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0, ssl=tls.context)
    async with server:
        yield server.sockets[0].getsockname()[1]
