"""Pauses grow, and loops take turns."""

import asyncio
from dataclasses import replace

from support.fake_time import FakeTime

from webhook.kube_client.backoff import Backoff, Turns


async def test_pauses_double_up_to_half_a_minute() -> None:
    """With the most impatient jitter, half of each."""
    time = FakeTime()
    backoff = Backoff(time.clock(), Turns(time.clock()))
    for _ in range(7):
        await backoff.pause(healthy=False)
    assert time.pauses == [1, 2, 4, 8, 15, 15, 15]


async def test_jitter_stays_below_the_longest_pause() -> None:
    """No two replicas try in step, and none waits for longer than half a minute."""
    asked: set[tuple[float, float]] = set()
    time = FakeTime()

    def most_patient(low: float, high: float) -> float:
        asked.add((low, high))
        return high

    timing = replace(time.clock(), uniform=most_patient)
    backoff = Backoff(timing, Turns(timing))
    for _ in range(6):
        await backoff.pause(healthy=False)
    assert (asked, max(time.pauses)) == ({(0.5, 1)}, 30)


async def test_health_begins_anew() -> None:
    """A loss after a good time is met with the shortest pause."""
    time = FakeTime()
    backoff = Backoff(time.clock(), Turns(time.clock()))
    for healthy in (False, False, True, False):
        await backoff.pause(healthy=healthy)
    assert time.pauses == [1, 2, 1, 2]


async def test_years_of_failure_overflow_nothing() -> None:
    """The exponent is bounded."""
    time = FakeTime()
    backoff = Backoff(time.clock(), Turns(time.clock()))
    for _ in range(3000):
        await backoff.pause(healthy=False)
    assert time.pauses[-1] == 15


async def test_loops_that_wake_together_go_one_after_the_other() -> None:
    """Five at once take two seconds, half a second apart."""
    time = FakeTime()
    turns = Turns(time.clock())
    begin = time.now
    await asyncio.gather(*(turns.take() for _ in range(5)))
    assert time.now - begin == 2


async def test_a_single_loop_does_not_wait_for_its_turn() -> None:
    """Turns only matter to many."""
    time = FakeTime()
    turns = Turns(time.clock())
    for _ in range(3):
        await turns.take()
        time.now += 1
    assert time.pauses == []
