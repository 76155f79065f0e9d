"""Time that passes only when somebody sleeps: what would take minutes takes none, and every pause is on record."""

import asyncio

from webhook.cluster.watch import Timing


class FakeTime:
    """A clock that each sleep moves on at once; tests move ``now`` themselves, too."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.pauses: list[float] = []

    async def sleep(self, seconds: float) -> None:
        """Let others run, and that many seconds pass."""
        self.pauses.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)

    def timing(self) -> Timing:
        """Return this clock and sleep, with the most impatient of random sources."""
        return Timing(clock=lambda: self.now, sleep=self.sleep, uniform=lambda low, _high: low)
