"""Random histories of failures, recoveries, restarts and policy changes: what setbacks promise in all of them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.setback_history import CLASS, DAY, NVML, RECIPES, World, played

BROKEN = st.sets(st.sampled_from(RECIPES))
BREAKS = st.tuples(st.just("set_broken"), BROKEN)
WAITS = st.tuples(st.just("wait"), st.integers(1, 90))
PAUSES = st.tuples(st.just("restart_runtime"), st.integers(1, 4))
PULLS = st.tuples(st.just("pull_image"), st.integers(1, 30))
SIMPLE = st.sampled_from(
    ["boot", "change_kind", "change_policy", "replace_node", "restart_webhook", "recreate", "release"]
)
ACTIONS = st.lists(st.one_of(WAITS, BREAKS, PAUSES, PULLS, SIMPLE), max_size=25)
HARMLESS = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.integers(1, 30)),
        PAUSES,
        PULLS,
        st.sampled_from(["boot", "recreate", "restart_webhook"]),
    ),
    max_size=25,
)


@given(ACTIONS, BROKEN)
@settings(max_examples=300)
def test_no_patch_is_repeated_where_it_failed(actions: list[object], broken: set[str]) -> None:
    """Under the same conditions, for an hour at least, unless a pod ran with it since; and no pod is released twice."""
    world = played([("wait", 10), "release", *actions], broken)
    assert len(world.released) == len(set(world.released))


@given(ACTIONS, BROKEN)
@settings(max_examples=150)
def test_when_failures_stop_decisions_return_to_normal(actions: list[object], broken: set[str]) -> None:
    """After a day at the latest, by themselves."""
    world = played([("wait", 10), *actions, ("set_broken", set()), "recreate", ("wait", 2)], broken)
    world.minute += 2 * DAY
    world.wait(1)
    world.recreate()
    assert world.recipe == world.first_recipe
    world.wait(20)
    assert world.is_running
    assert list(world.setbacks.current()) == []


@given(ACTIONS, BROKEN)
@settings(max_examples=150)
def test_a_restart_of_the_webhook_changes_no_decision(actions: list[object], broken: set[str]) -> None:
    """All that counts is stored."""
    world = played([("wait", 10), "release", *actions], broken)
    before = world.next_recipe()
    world.restart_webhook()
    assert world.next_recipe() == before


@given(ACTIONS, BROKEN, st.sampled_from(["boot", "change_policy", "replace_node"]))
@settings(max_examples=150)
def test_new_conditions_are_a_new_try(actions: list[object], broken: set[str], change: str) -> None:
    """A boot, another policy or another node of that name forgets every failure at once."""
    world = played([("wait", 10), *actions], broken)
    world.act(change)
    world.recreate()
    assert world.recipe == world.first_recipe


@given(HARMLESS)
@settings(max_examples=200)
def test_what_passes_by_itself_is_no_setback(actions: list[object]) -> None:
    """A runtime or node that restarts, and an image that is pulled."""
    assert played(actions).setbacks.entries == {}


def test_the_world_can_fail() -> None:
    """A history with a failure has a setback: the properties above are about something."""
    world = played([("wait", 10), "release"], {CLASS})
    assert (world.recipe, world.released) == ("", ["pod-1"])


def test_privileges_follow_where_the_handler_is_gone() -> None:
    """The pod waits for a handler that its node has lost: the next one gets the library."""
    world = World()
    world.recreate()
    world.change_kind()
    world.wait(10)
    world.release()
    assert (world.recipe, world.released) == (NVML, ["pod-1"])


@pytest.mark.parametrize("recipes", [set(), {NVML}])
def test_the_world_can_work(recipes: set[str]) -> None:
    """The first recipe runs where it is not broken."""
    assert played([("wait", 10)], recipes).is_running
