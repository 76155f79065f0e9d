"""Random histories of failures, recoveries, restarts and policy changes: what setbacks promise in all of them."""

from collections.abc import Collection
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.setback_world import BLOCKED, NODE, READY, WORKING, at, by_recipe, started

from webhook.observations.setback import NO_SETBACKS, Setbacks
from webhook.observations.setback_rules import LEFT, due, look_at_pods, with_released
from webhook.view.view import Node, PluginPod

RECIPES = ("runtime-class", "nvml")
DAY = 24 * 60
PATIENCE = 5
HANDLERS = (frozenset({"runc"}), frozenset({"runc", "nvidia"}))

BROKEN = st.sets(st.sampled_from(RECIPES))
BREAKS = st.tuples(st.just("set_broken"), BROKEN)
WAITS = st.tuples(st.just("wait"), st.integers(1, 90))
PAUSES = st.tuples(st.just("restart_runtime"), st.integers(1, 4))
PULLS = st.tuples(st.just("pull_image"), st.integers(1, 30))
SIMPLE = st.sampled_from(["boot", "change_kind", "change_policy", "recreate", "release"])
ACTIONS = st.lists(st.one_of(WAITS, BREAKS, PAUSES, PULLS, SIMPLE), max_size=25)
HARMLESS = st.lists(
    st.one_of(st.tuples(st.just("wait"), st.integers(1, 30)), PAUSES, PULLS, st.sampled_from(["boot", "recreate"])),
    max_size=25,
)


@dataclass(slots=True)
class World:
    """One node with one plugin's pod, minute by minute. A pod that started runs on until the node boots."""

    minute: int = 0
    boots: int = 0
    kind: int = 0
    policy: int = 0
    created: int = 0
    broken: frozenset[str] = frozenset()
    away_until: int = -PATIENCE
    pulled_at: int = 0
    recipe: str = ""
    is_running: bool = False
    since: int = 0
    setbacks: Setbacks = NO_SETBACKS
    failures: dict[tuple[object, ...], tuple[str, int]] = field(default_factory=dict)
    released: list[str] = field(default_factory=list)

    @property
    def node(self) -> Node:
        """Return the node as it is now."""
        has_gpu = self.is_running and self.recipe
        is_away = self.minute < self.away_until
        return replace(
            WORKING if has_gpu else NODE,
            boot_id=f"boot-{self.boots}",
            handlers=HANDLERS[self.kind % len(HANDLERS)],
            ready=not is_away,
            ready_since=at(self.away_until).now,
        )

    @property
    def pod(self) -> PluginPod:
        """Return the plugin's pod as it is now."""
        pod = READY if self.is_running else BLOCKED
        if self.is_pulling:
            pod = started(pod, sandbox=True)
        pod = replace(started(pod, unready_since=at(self.since).now), uid=self.uid, ready_since=at(self.since).now)
        return by_recipe(pod, self.recipe) if self.recipe else replace(pod, recipe="", decision=LEFT)

    @property
    def uid(self) -> str:
        """Return the pod's UID."""
        return f"pod-{self.created}"

    @property
    def is_pulling(self) -> bool:
        """Say whether the pod waits for its image."""
        return self.minute < self.pulled_at

    @property
    def conditions(self) -> tuple[object, ...]:
        """Return what a failure holds for."""
        return (self.boots, self.kind, self.policy)

    def act(self, action: object) -> None:
        """Let one thing happen."""
        name, *arguments = action if isinstance(action, tuple) else (action,)
        getattr(self, str(name))(*arguments)

    def set_broken(self, recipes: set[str]) -> None:
        """Break these recipes on the node, and mend the others."""
        self.broken = frozenset(recipes)

    def wait(self, minutes: int) -> None:
        """Let minutes pass, with a look after each."""
        for _ in range(minutes):
            self.minute += 1
            if not self.is_running and self._can_start():
                self.is_running, self.since = True, self.minute
            self.look()

    def look(self) -> None:
        """Look at the pod, and keep a record of our own of what anyone can see."""
        pods, nodes = {self.uid: self.pod}, {NODE.name: self.node}
        self.setbacks = look_at_pods(self.setbacks, pods, nodes, (), at(self.minute))
        key = (*self.conditions, self.recipe)
        if self.recipe and self.is_running and self.minute >= self.away_until:
            self.failures.pop(key, None)
        is_steady = min(self.minute - self.since, self.minute - self.away_until) >= PATIENCE
        if self.recipe and not self.is_running and not self.is_pulling and is_steady:
            known = self.failures.get(key)
            if known is None or known[0] != self.uid:
                self.failures[key] = (self.uid, self.minute)

    def boot(self) -> None:
        """Boot the node: its pods start again."""
        self.boots += 1
        self.restart_runtime(1)
        self.is_running = False

    def restart_runtime(self, minutes: int) -> None:
        """Take the runtime away for some minutes; a pod that has not started goes on waiting."""
        self.away_until = self.minute + minutes
        self.since = self.minute

    def change_kind(self) -> None:
        """Change the runtime's handlers. Each change forgets the failures, also one that is taken back later."""
        self.kind += 1

    def change_policy(self) -> None:
        """Start the webhook with another policy."""
        self.policy += 1
        self.setbacks = self.setbacks.under(str(self.policy))

    def pull_image(self, minutes: int) -> None:
        """Delete the pod; the next one waits for its image."""
        self.recreate()
        self.pulled_at = self.minute + minutes

    def recreate(self) -> None:
        """Delete the pod; the next one gets the first recipe that has not failed."""
        self.created += 1
        self.is_running, self.since, self.pulled_at = False, self.minute, 0
        failed = {recipe for recipe in RECIPES if self.setbacks.failed("kube-system", "plugin", self.node, recipe)}
        self.recipe = next((recipe for recipe in RECIPES if recipe not in failed), "")
        known = self.failures.get((*self.conditions, self.recipe))
        assert known is None or self.minute - known[1] >= 60, f"{self.recipe} is applied again"

    def release(self) -> None:
        """Delete the pods that are due, once each."""
        for found, pod in list(due(self.setbacks, [self.pod])):
            assert not pod.ready
            self.setbacks = with_released(self.setbacks, [found])
            self.released.append(pod.uid)
            self.recreate()

    def _can_start(self) -> bool:
        # The runtime's handlers are back some minutes after the node.
        is_back = self.minute >= self.away_until + PATIENCE - 1
        return is_back and not self.is_pulling and self.recipe not in self.broken


def played(actions: list[object], broken: Collection[str] = ()) -> World:
    """Let actions happen, with a minute after each; these recipes are broken from the first on."""
    world = World(broken=frozenset(broken))
    world.recreate()
    for action in actions:
        world.act(action)
        world.wait(1)
    return world


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
    world = played([("wait", 10), *actions, ("set_broken", set()), ("wait", 2)], broken)
    world.minute += 2 * DAY
    world.wait(1)
    world.recreate()
    assert world.recipe == RECIPES[0]
    world.wait(20)
    assert world.is_running
    assert list(world.setbacks.current()) == []


@given(ACTIONS, BROKEN, st.sampled_from(["boot", "change_policy"]))
@settings(max_examples=150)
def test_new_conditions_are_a_new_try(actions: list[object], broken: set[str], change: str) -> None:
    """A boot or another policy forgets every failure at once."""
    world = played([("wait", 10), *actions], broken)
    world.act(change)
    world.recreate()
    assert world.recipe == RECIPES[0]


@given(HARMLESS)
@settings(max_examples=200)
def test_what_passes_by_itself_is_no_setback(actions: list[object]) -> None:
    """A runtime or node that restarts, and an image that is pulled."""
    assert played(actions).setbacks.entries == {}


def test_the_world_can_fail() -> None:
    """A history with a failure has a setback: the properties above are about something."""
    world = played([("wait", 10), "release"], {"runtime-class"})
    assert world.recipe == "nvml"
    assert world.released == ["pod-1"]


@pytest.mark.parametrize("recipes", [set(), {"nvml"}])
def test_the_world_can_work(recipes: set[str]) -> None:
    """The first recipe runs where it is not broken."""
    assert played([("wait", 10)], recipes).is_running
