"""The connections of one listener: their number is limited, and no new one is refused.

A client that opens connections and says nothing costs memory for each. At the limit the least useful
connection is closed: the oldest without an answer yet (half-open, silent, or slow to send), else the one whose last
answer is the oldest. So the API server's connections stay open while a client opens others without end.
"""

import asyncio
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

HANDSHAKE_SECONDS = 10
# If there is no file descriptor left, and no connection to close.
PAUSE_SECONDS = 0.1
FORGET_SECONDS = 1


@dataclass(eq=False, slots=True)
class _Connection:
    """A connection: ``protocol`` exists from the start, ``opening`` ends with the handshake."""

    protocol: RequestHandler
    opening: asyncio.Task[None] | None = None

    @property
    def is_gone(self) -> bool:
        """Say whether it was closed, by either side."""
        return (self.opening is None or self.opening.done()) and self.protocol.transport is None

    def abort(self) -> None:
        """Close it at once."""
        if self.opening:
            self.opening.cancel()
        if self.protocol.transport:
            self.protocol.transport.abort()


class Connections:
    """Accepts connections for a server; at most ``most`` are open at a time."""

    def __init__(self, runner: web.AppRunner, *, most: int, tls: ssl.SSLContext | None) -> None:
        self._runner, self._most, self._tls = runner, most, tls
        # Both in the order in which they are closed.
        self._unanswered: dict[object, _Connection] = {}
        self._answered: dict[object, _Connection] = {}

    def __len__(self) -> int:
        return len(self._unanswered) + len(self._answered)

    async def run(self, listening: socket.socket) -> None:
        """Accept connections, and forget those that were closed, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._accept_all(listening))
            group.create_task(self._keep_forgetting())

    async def _keep_forgetting(self) -> None:
        # aiohttp reports no end of a connection, and each holds buffers.
        while True:
            await asyncio.sleep(FORGET_SECONDS)
            self._forget_gone()

    async def _accept_all(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, _ = await loop.sock_accept(listening)
            except OSError:
                # No file descriptor is left, or the client went away at once.
                self._close_one()
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                self._add(accepted)

    async def answered(self, request: web.BaseRequest, _: object) -> None:
        """Note that a connection gets an answer (aiohttp's ``on_response_prepare``)."""
        key = request.protocol
        found = self._unanswered.pop(key, None) or self._answered.pop(key, None)
        if found:
            self._answered[key] = found

    async def close(self) -> None:
        """Stop the handshakes that are under way; the server itself closes what is open."""
        opening = [one.opening for one in self._unanswered.values() if one.opening and not one.opening.done()]
        for task in opening:
            task.cancel()
        await asyncio.gather(*opening, return_exceptions=True)

    def _add(self, accepted: socket.socket) -> None:
        if len(self) >= self._most:
            self._forget_gone()
        if len(self) >= self._most:
            self._close_one()
        if self._runner.server is None:
            raise RuntimeError("the runner is not set up")
        connection = _Connection(self._runner.server())
        self._unanswered[connection.protocol] = connection
        connection.opening = asyncio.create_task(self._open(connection, accepted))

    async def _open(self, connection: _Connection, accepted: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        seconds = HANDSHAKE_SECONDS if self._tls else None
        try:
            # A handshake that fails is counted where certificates are served (certs.serving).
            with suppress(OSError, EOFError):
                await loop.connect_accepted_socket(
                    lambda: connection.protocol, accepted, ssl=self._tls, ssl_handshake_timeout=seconds
                )
        finally:
            if connection.protocol.transport is None:
                accepted.close()

    def _forget_gone(self) -> None:
        for known in (self._unanswered, self._answered):
            for key in [key for key, one in known.items() if one.is_gone]:
                del known[key]

    def _close_one(self) -> None:
        """Close the least useful connection. New ones keep half of the places while all others are in use."""
        crowded = len(self._unanswered) > self._most // 2 or not self._answered
        known = self._unanswered if crowded else self._answered
        if known:
            known.pop(next(iter(known))).abort()
