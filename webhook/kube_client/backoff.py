"""When to retry: each loop's pauses grow, and all loops take turns, so that a server in trouble gets few requests."""

import math

from webhook.kube_client.clock import Clock

FIRST_PAUSE_SECONDS = 2
LONGEST_PAUSE_SECONDS = 30
ABSENT_PAUSE_SECONDS = 30
# When the API server goes away, a dozen watches are lost at once; they must not all return at once.
TURN_SECONDS = 0.5


class Turns:
    """Starts one loop after the other, half a second apart."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._next = -math.inf

    async def take(self) -> None:
        """Wait for the next turn."""
        now = self._clock.monotonic()
        turn = max(now, self._next)
        self._next = turn + TURN_SECONDS
        if turn > now:
            await self._clock.sleep(turn - now)


class Backoff:
    """The pauses of one loop: doubled at each failure, with jitter, and shortest again after a healthy period."""

    def __init__(self, clock: Clock, turns: Turns) -> None:
        self.clock = clock
        self._turns = turns
        self._failures = 0

    async def pause(self, *, healthy: bool) -> None:
        """Wait until the next attempt is due."""
        self._failures = 1 if healthy else self._failures + 1
        longest = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** min(self._failures - 1, 10))
        await self.clock.sleep(longest * self.clock.uniform(0.5, 1))
        await self._turns.take()

    async def pause_for_absent(self) -> None:
        """Wait until the next check whether an API has appeared."""
        await self.clock.sleep(ABSENT_PAUSE_SECONDS * self.clock.uniform(1, 1.5))
        await self._turns.take()
