"""Can one more request be answered in time? The event loop's own delay shows it.

Requests that wait for the processor cannot be counted: they are bytes in sockets, and callbacks of the loop. When the
event loop is busy its timers fire late; the delay is the queueing time, whatever a review costs on this machine.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

TICK_SECONDS = 0.05

# The share of the API server's time limit. After this and Retry-After's second, another replica has as much left.
OVERLOAD_FRACTION = 1 / 3


class BusyError(Exception):
    """There is no room for the request: the API server should ask another replica."""


class Load:
    """When the event loop ran its timers last."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.ticked = math.inf

    def tick(self) -> None:
        """Note that the loop ran its timers."""
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

    def check(self, timeout_seconds: float) -> None:
        """Raise BusyError if a request with this timeout would be answered too late."""
        if self._clock() - self.ticked > timeout_seconds * OVERLOAD_FRACTION:
            raise BusyError
