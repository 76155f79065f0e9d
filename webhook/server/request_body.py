"""The body of a request: read while it arrives, and measured before it is parsed.

Any client in the cluster may send bodies, slowly or many at once. Three limits keep them harmless: the size of one body
(by path), the memory of all bodies that are arriving, and the memory of all that are parsed.
"""

import asyncio
import heapq
from dataclasses import dataclass, field
from itertools import count

from aiohttp import ClientConnectionError, web
from aiohttp.http_exceptions import HttpProcessingError

from webhook.kube.json_size import MOST_VALUES, count_values
from webhook.server.overload import BusyError

MIB = 2**20

# The API server accepts requests of 3 MiB, and defaulting makes a pod larger. An update contains two objects.
CREATE_LIMIT_BYTES = 4 * MIB
BODY_LIMIT_BYTES = 7 * MIB
HEARTBEAT_LIMIT_BYTES = 64 * 1024

# The memory of all arriving bodies. A review arrives within milliseconds, so only slow senders lose their place.
ARRIVING_BYTES = 8 * MIB

# All bodies that are parsed and not answered: as much as the largest one takes.
PARSED_BYTES = 44 * MIB
BYTES_PER_VALUE = 150


class TooLargeError(Exception):
    """A body that exceeds a limit; the message names the limit."""


class DisconnectedError(Exception):
    """The client went away before its body was complete."""


@dataclass(eq=False, slots=True)
class _Arrival:
    deadline: asyncio.Timeout
    received: bytearray = field(default_factory=bytearray)
    complete: bool = False


@dataclass(frozen=True, slots=True)
class Body:
    """A whole body, for one ``with`` block: the memory that it takes parsed is reserved until the block ends."""

    content: bytearray
    room: "Room"
    size: int

    def __enter__(self) -> bytearray:
        """Return the content."""
        return self.content

    def __exit__(self, *_: object) -> None:
        """Give the memory back."""
        self.room.give_back(self.size)


class Bodies:
    """The bodies that are read, and those that are processed.

    Beyond ``arriving_bytes`` the body that began first gives up its place: its sender gets 408, the others go on.
    """

    def __init__(self, arriving_bytes: int = ARRIVING_BYTES, room: "Room | None" = None) -> None:
        self._most_bytes = arriving_bytes
        self._bytes = 0
        self._arriving: dict[_Arrival, None] = {}
        self._room = room or Room()

    async def read(self, request: web.Request, limit_bytes: int, timeout_seconds: float) -> "Body":
        """Return the whole body, once there is memory to parse it.

        Raises TooLargeError, DisconnectedError, TimeoutError if the body does not arrive in time, and
        BusyError if there is no memory in time.
        """
        if (request.content_length or 0) > limit_bytes:
            raise _larger_than(limit_bytes)
        async with asyncio.timeout(timeout_seconds) as deadline:
            return await self._arrived(request, _Arrival(deadline), limit_bytes)

    async def _arrived(self, request: web.Request, arrival: _Arrival, limit_bytes: int) -> "Body":
        self._arriving[arrival] = None
        try:
            await self._receive(request, arrival, limit_bytes)
            size = parsed_size(arrival.received)
            await self._room.take(size)
        except asyncio.CancelledError:
            if arrival.complete and arrival.deadline.expired():
                raise BusyError from None
            raise
        finally:
            self._leave(arrival)
        return Body(arrival.received, self._room, size)

    async def _receive(self, request: web.Request, arrival: _Arrival, limit_bytes: int) -> None:
        while chunk := await _next_chunk(request):
            # One that gave up its place may get another chunk before its wait ends.
            if arrival in self._arriving:
                arrival.received += chunk
                self._bytes += len(chunk)
            if len(arrival.received) > limit_bytes:
                raise _larger_than(limit_bytes)
            self._make_room()
            if arrival not in self._arriving:
                raise TimeoutError
        arrival.complete = True

    def _make_room(self) -> None:
        while self._bytes > self._most_bytes:
            oldest = next(iter(self._arriving))
            self._leave(oldest)
            # This ends its wait for more data, or for memory. At its deadline it ends by itself.
            if not oldest.deadline.expired():
                oldest.deadline.reschedule(0)

    def _leave(self, arrival: _Arrival) -> None:
        if arrival in self._arriving:
            del self._arriving[arrival]
            self._bytes -= len(arrival.received)


def _larger_than(limit_bytes: int) -> TooLargeError:
    return TooLargeError(f"the body is larger than {limit_bytes} bytes")


async def _next_chunk(request: web.Request) -> bytes:
    """Return what has arrived, empty at the end of the body."""
    try:
        return await request.content.readany()
    except (ConnectionError, ClientConnectionError, HttpProcessingError) as error:
        raise DisconnectedError from error


def parsed_size(body: bytearray) -> int:
    """Estimate how many bytes a body takes once it is parsed. Raises TooLargeError for too many values."""
    values = count_values(body)
    if values > MOST_VALUES:
        raise TooLargeError(f"the body has more than {MOST_VALUES} values")
    return 2 * len(body) + BYTES_PER_VALUE * values


class Room:
    """The memory for parsed bodies. A body that needs more than is free waits; the smallest one is next."""

    def __init__(self, most_bytes: int = PARSED_BYTES) -> None:
        self._free = most_bytes
        self._order = count()
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []

    async def take(self, size: int) -> None:
        """Reserve bytes, as soon as enough are free. No body is larger than the whole memory."""
        if size <= self._free:
            self._free -= size
            return
        granted = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (size, next(self._order), granted))
        try:
            await granted
        except asyncio.CancelledError:
            if granted.done() and not granted.cancelled():
                self.give_back(size)
            raise

    def give_back(self, size: int) -> None:
        """Release bytes, and wake the bodies that wait."""
        self._free += size
        while self._waiting and (self._waiting[0][2].done() or self._waiting[0][0] <= self._free):
            wanted, _, granted = heapq.heappop(self._waiting)
            if not granted.done():
                self._free -= wanted
                granted.set_result(None)
