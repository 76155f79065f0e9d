"""What the heartbeat promises, whatever happened before: it finds a broken path in time, and gives no false alarm."""

import asyncio
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st
from support.heartbeat_world import CONFIG_MAPS, HeartbeatWorld, heartbeat_world
from support.memory_api import MUTATING

from webhook.controllers.heartbeat_history import HeartbeatHistory
from webhook.registration.heartbeat_object import HeartbeatOutcome

WITHIN_SECONDS = 120
OUTCOMES = ("answered", "missed", "refused", "away", "slow", "changed")
before = st.lists(st.sampled_from(OUTCOMES), max_size=8)


def prepare(world: HeartbeatWorld, outcome: str) -> None:
    """Let the next heartbeat have an outcome."""
    answer: int | OSError = 403 if outcome == "refused" else ConnectionError()
    world.api.refusals.pop(("POST", CONFIG_MAPS), None)
    if outcome in ("refused", "away"):
        world.api.refusals["POST", CONFIG_MAPS] = answer
    world.api.unreachable_seconds = {"missed": 0.0, "slow": 3.0}.get(outcome)


async def live_through(world: HeartbeatWorld, outcomes: Sequence[str]) -> None:
    """Make a round for each outcome."""
    whole = world.registration()
    for outcome in outcomes:
        prepare(world, outcome)
        if outcome == "changed":
            world.api.remove(MUTATING)
        await world.round()
        world.api.put(whole)
    prepare(world, "answered")


@given(before, st.sampled_from(["missed", "slow", "changed"]))
def test_a_broken_path_is_found_within_two_minutes(outcomes: list[str], fault: str) -> None:
    """Whatever the replica has seen before."""

    async def live() -> None:
        world = heartbeat_world()
        await live_through(world, outcomes)
        # The path breaks at the moment after a heartbeat that was answered.
        await world.heartbeat.round()
        began = world.time.now
        world.time.now += 1.1 * world.heartbeat.pause_seconds()
        prepare(world, fault)
        if fault == "changed":
            world.api.remove(MUTATING)
        while world.status.state != "missed":
            assert world.time.now - began <= WITHIN_SECONDS
            await world.round()
        assert world.status.cause

    asyncio.run(live())


@given(st.lists(st.sampled_from(["answered", "refused", "away"]), max_size=12))
def test_a_whole_path_is_no_alarm(outcomes: list[str]) -> None:
    """However often the heartbeat is refused, or the API server is away."""

    async def live() -> None:
        world = heartbeat_world()
        for outcome in outcomes:
            prepare(world, outcome)
            await world.round()
            assert world.status.state != "missed"
        assert [event for event in world.names() if event in ("heartbeat-missed", "entry-drifted")] == []
        assert world.events() == []

    asyncio.run(live())


@given(before)
def test_after_every_fault_the_state_returns_to_answered(outcomes: list[str]) -> None:
    """Within two minutes, without a restart."""

    async def live() -> None:
        world = heartbeat_world()
        await live_through(world, outcomes)
        began = world.time.now
        while world.status.state != "answered" or world.status.drift:
            assert world.time.now - began <= WITHIN_SECONDS
            await world.round()

    asyncio.run(live())


@given(st.lists(st.sampled_from(list(HeartbeatOutcome)), max_size=50))
def test_the_history_is_bounded(outcomes: list[HeartbeatOutcome]) -> None:
    """It remembers four heartbeats."""
    history = HeartbeatHistory()
    for outcome in outcomes:
        history = history.after(outcome)
    assert len(history.recent) <= 4
    assert history.is_broken <= history.is_doubtful
