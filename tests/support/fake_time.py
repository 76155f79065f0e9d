"""Time that passes only when everybody sleeps: what would take minutes takes none, and every pause is on record."""

import asyncio
import heapq

from webhook.kube_client.clock import Clock


class FakeTime:
    """A clock that moves on to the next sleeper's end once ``loops`` of them sleep; tests may move ``now``, too."""

    def __init__(self, loops: int = 1) -> None:
        self.now = 1000.0
        self.loops = loops
        self.pauses: list[float] = []
        self._sleepers: list[tuple[float, int, asyncio.Event]] = []

    async def sleep(self, seconds: float) -> None:
        """Let others run, and that many seconds pass."""
        self.pauses.append(seconds)
        over = asyncio.Event()
        heapq.heappush(self._sleepers, (self.now + seconds, len(self.pauses), over))
        if len(self._sleepers) >= self.loops:
            due, _, first = heapq.heappop(self._sleepers)
            self.now = max(self.now, due)
            first.set()
        await over.wait()
        await asyncio.sleep(0)

    def clock(self) -> Clock:
        """Return this clock and sleep, with the most impatient of random sources."""
        return Clock(monotonic=lambda: self.now, sleep=self.sleep, uniform=lambda low, _high: low)
