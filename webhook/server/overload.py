"""Whether one more request can be answered in time, told by the event loop itself.

Requests that wait for the processor are in no count of ours: they are bytes in sockets, and callbacks of the loop. But
while the loop works through them it does not come round to its timers. So a timer that is late says how long whoever is
asked now has waited, whatever a review costs on this machine.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

TICK_SECONDS = 0.05

# Of the API server's patience. With the second that Retry-After asks for, another replica has as much left again.
SHARE = 1 / 3

# Bodies that are being read stay in memory, and whoever sends them may take his time. Reviews are seldom this large.
LARGE_BYTES = 64 * 1024
LARGE_AT_ONCE = 16
# So many small ones, slow or half, are 128 MiB at the worst.
AT_ONCE = 2048


class BusyError(Exception):
    """There is no room for the request: the API server had better ask another replica."""


class Load:
    """What is under way: when the loop came round last, and how many requests and large bodies there are."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.ticked = math.inf
        self._requests = self._large = 0

    def tick(self) -> None:
        """Note that the loop came round."""
        self.ticked = self._clock()

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Keep ticking until the block ends."""
        task = asyncio.create_task(self._tick_on())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _tick_on(self) -> None:
        while True:
            self.tick()
            await asyncio.sleep(TICK_SECONDS)

    @contextmanager
    def request(self, timeout_seconds: float) -> Iterator[None]:
        """Hold a request. Raises BusyError where it would be answered late, or there are too many."""
        if self._requests >= AT_ONCE or self._clock() - self.ticked > timeout_seconds * SHARE:
            raise BusyError
        self._requests += 1
        try:
            yield
        finally:
            self._requests -= 1

    @contextmanager
    def body(self, length: int | None) -> Iterator[None]:
        """Hold a body while it is read, of an announced length or none. Raises BusyError where too many are large."""
        if length is not None and length <= LARGE_BYTES:
            yield
            return
        if self._large >= LARGE_AT_ONCE:
            raise BusyError
        self._large += 1
        try:
            yield
        finally:
            self._large -= 1
