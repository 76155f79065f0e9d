"""When to try again: each loop's pauses grow, and all loops take turns, so that trouble is met with few requests."""

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

FIRST_PAUSE_SECONDS = 2
LONGEST_PAUSE_SECONDS = 30
ABSENT_PAUSE_SECONDS = 30
# A dozen watches are lost at once when the API server goes; they must not come back at once.
TURN_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Timing:
    """The clock (seconds, monotonic), the sleep and the random source, which tests replace."""

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    uniform: Callable[[float, float], float] = random.uniform


class Turns:
    """Lets one loop after the other go, half a second apart."""

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._next = -math.inf

    async def take(self) -> None:
        """Wait for the next turn."""
        now = self._timing.clock()
        turn = max(now, self._next)
        self._next = turn + TURN_SECONDS
        if turn > now:
            await self._timing.sleep(turn - now)


class Backoff:
    """The pauses of one loop: with every failure twice as long, with jitter, and shortest after a time of health."""

    def __init__(self, timing: Timing, turns: Turns) -> None:
        self.timing = timing
        self._turns = turns
        self._failures = 0

    async def pause(self, *, healthy: bool) -> None:
        """Wait until it is polite to try again."""
        self._failures = 1 if healthy else self._failures + 1
        longest = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** min(self._failures - 1, 10))
        await self.timing.sleep(longest * self.timing.uniform(0.5, 1))
        await self._turns.take()

    async def pause_for_absent(self) -> None:
        """Wait until it is worth looking whether an API has appeared."""
        await self.timing.sleep(ABSENT_PAUSE_SECONDS * self.timing.uniform(1, 1.5))
        await self._turns.take()
