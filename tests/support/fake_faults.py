"""The requests that the fake API server recorded, and the faults that a test orders."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came; ``path`` has no query, ``port`` is the client's: one for each connection."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    port: int = 0

    @property
    def watch(self) -> bool:
        """Return whether it asks for a watch."""
        return self.query.get("watch") in ("1", "true")


@dataclass(slots=True)
class Fault:
    """What goes wrong with the requests that match; the newest fault that matches wins.

    ``path`` ending in ``*`` is a prefix; ``method``, ``watch`` and ``times`` narrow what is hit.
    ``status``, ``headers`` and ``body`` are answered as they are (bytes raw, else as JSON, default a fitting Status).
    ``close`` cuts the connection, after an unfinished ``body`` if there is one.
    ``hold`` works the answer out and keeps it back until ``release``: a server that hangs.
    ``silent`` opens a watch that never sends: a half-open connection.
    """

    path: str
    method: str | None = None
    watch: bool | None = None
    status: int | None = None
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)
    close: bool = False
    hold: bool = False
    silent: bool = False
    times: int | None = None
    hits: int = 0
    _released: asyncio.Event = field(default_factory=asyncio.Event)
    _hit: asyncio.Event = field(default_factory=asyncio.Event)

    def matches(self, request: Request) -> bool:
        """Return whether this fault befalls a request."""
        same = request.path.startswith(self.path[:-1]) if self.path.endswith("*") else request.path == self.path
        return (
            same
            and self.method in (None, request.method)
            and self.watch in (None, request.watch)
            and (self.times is None or self.hits < self.times)
        )

    def strike(self) -> None:
        """Count a request that this fault befalls."""
        self.hits += 1
        self._hit.set()

    async def struck(self) -> None:
        """Wait until this fault has befallen a request (its answer is worked out, if it is held)."""
        await self._hit.wait()

    def release(self) -> None:
        """Let go what is held, now and later."""
        self._released.set()

    async def released(self) -> None:
        """Wait until what is held may go."""
        await self._released.wait()

    def clear(self) -> None:
        """End the fault; what is held is let go."""
        self.times = 0
        self.release()
