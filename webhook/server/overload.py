"""Can one more request be answered in time? The event loop's own delay shows it.

Requests that wait for the processor cannot be counted: they are bytes in sockets, and callbacks of the loop. When the
event loop is busy its timers fire late; the delay is the queueing time, whatever a review costs on this machine.
"""

import asyncio
import math
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from aiohttp import web

TICK_SECONDS = 0.05

# The share of the API server's time limit. After this and Retry-After's second, another replica has as much left.
OVERLOAD_FRACTION = 1 / 3
DURATION = re.compile(r"(\d{1,6}(?:\.\d{1,9})?)(ms|s|m)")
UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0}
# The registration's timeoutSeconds, when the query does not say.
DEFAULT_TIMEOUT_SECONDS = 3.0
LONGEST_TIMEOUT_SECONDS = 30.0


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


def busy_response() -> web.Response:
    """Return the answer that sends the API server to another replica."""
    # The API server asks again, on another connection, within its timeout.
    response = web.Response(status=503, text="busy\n", headers={"Retry-After": "1"})
    response.force_close()
    return response


def timeout_seconds(text: str) -> float:
    """Return the API server's time limit (``?timeout=3s``), or the default if it cannot be read."""
    match = DURATION.fullmatch(text)
    if not match:
        return DEFAULT_TIMEOUT_SECONDS
    return min(float(match[1]) * UNIT_SECONDS[match[2]], LONGEST_TIMEOUT_SECONDS)
