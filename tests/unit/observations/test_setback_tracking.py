"""How setbacks come, count, expire and go: one look after the other."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

import pytest
from support.setback_world import BLOCKED, MOMENT, NO_HANDLER, NODE, NOW, READY, WORKING, at, by_recipe, event

from webhook.observations.plugin_observation import Moment
from webhook.observations.pod_start import PodEvent
from webhook.observations.setback import (
    MAX_SETBACKS,
    NO_SETBACKS,
    Setback,
    SetbackKey,
    SetbackKind,
    Setbacks,
)
from webhook.observations.setback_lifetime import duration
from webhook.observations.setback_tracking import LEFT, due, look_at_pods, with_released
from webhook.observations.waits import Waits
from webhook.view.view import Node, PluginPod

KEY = SetbackKey("kube-system", "plugin", "gpu-1", "runtime-class")
HOUR = 60


def look(
    previous: Setbacks,
    *pods: PluginPod,
    node: Node = NODE,
    moment: Moment = MOMENT,
    events: Iterable[PodEvent] = (),
) -> Setbacks:
    """Look at pods on one node."""
    return look_at_pods(previous, {pod.uid: pod for pod in pods}, {node.name: node}, events, moment)


def failed(setbacks: Setbacks, node: Node = NODE, recipe: str = "runtime-class") -> Setback | None:
    """Ask as a decision does."""
    return setbacks.failed("kube-system", "plugin", node, recipe)


FIRST = look(NO_SETBACKS, BLOCKED, events=[event(NO_HANDLER)])


def again(number: int) -> PluginPod:
    """Return a later pod that is blocked, too."""
    return replace(BLOCKED, uid=f"pod-{number}")


def test_a_blocked_pod_is_a_setback_of_its_recipe_on_its_node() -> None:
    """It holds for one DaemonSet, node and recipe, and carries what the node said."""
    found = failed(FIRST)
    assert found is not None
    assert (found.key, found.kind, found.text, found.pod) == (KEY, SetbackKind.BLOCKED, NO_HANDLER, "pod-1")
    assert (found.at, found.until, found.repetitions) == (NOW, NOW + timedelta(hours=1), 1)
    assert failed(FIRST, recipe="nvml") is None
    assert failed(FIRST, node=replace(NODE, name="gpu-2")) is None
    assert FIRST.failed("kube-system", "other", NODE, "runtime-class") is None
    assert FIRST.failed("other", "plugin", NODE, "runtime-class") is None


def test_another_look_at_the_same_pod_changes_nothing() -> None:
    """So nothing is written while nothing is new."""
    assert look(FIRST, BLOCKED, moment=at(30)) is FIRST


def test_a_setback_expires() -> None:
    """After an hour the recipe may be tried again; its failure is remembered."""
    later = look(FIRST, moment=at(HOUR))
    assert failed(later) is None
    assert list(later.current()) == []
    assert later.entries == FIRST.entries
    assert look(later, moment=at(HOUR + 24 * HOUR)).entries == {}


@pytest.mark.parametrize(
    ("repetitions", "hours"), [(-5, 1), (0, 1), (1, 1), (2, 2), (3, 4), (5, 16), (6, 24), (7, 24), (10**9, 24)]
)
def test_how_long_a_failure_counts(repetitions: int, hours: int) -> None:
    """An hour, doubled at each repetition, a day at most."""
    assert duration(repetitions) == timedelta(hours=hours)


def test_a_repetition_counts_for_longer() -> None:
    """Another pod, the same conditions."""
    found = failed(look(look(FIRST, moment=at(HOUR)), again(2), moment=at(HOUR)))
    assert found is not None
    assert (found.repetitions, found.until, found.pod) == (2, at(3 * HOUR).now, "pod-2")


def test_a_pod_that_is_still_blocked_when_the_time_is_over_is_a_repetition() -> None:
    """The failure is seen to last; the pod is not released a second time."""
    released = with_released(FIRST, FIRST.current())
    found = failed(look(released, BLOCKED, moment=at(HOUR)))
    assert found is not None
    assert (found.repetitions, found.released) == (2, True)


@pytest.mark.parametrize(
    "node",
    [
        replace(NODE, boot_id="boot-2"),
        replace(NODE, kernel="6.9"),
        replace(NODE, os_image="Debian"),
        replace(NODE, runtime="containerd://2.1"),
        replace(NODE, handlers=frozenset({"runc", "nvidia"})),
    ],
)
def test_another_boot_or_kind_of_node_ends_it(node: Node) -> None:
    """At once for a decision, and for good at the next look."""
    assert failed(FIRST, node=node) is None
    assert look(FIRST, node=node).entries == {}


def test_a_node_that_is_not_ready_keeps_its_setbacks() -> None:
    """It may come back the same. Where no node is known, none is gone."""
    away = replace(NODE, ready=False, ready_since=NOW)
    assert look_at_pods(FIRST, {}, {NODE.name: away}, (), MOMENT) is FIRST
    assert look_at_pods(FIRST, {}, None, (), MOMENT) is FIRST


def test_a_setback_does_not_outlive_its_node() -> None:
    """Autoscalers delete nodes and reuse their names: the next node of that name is another one."""
    assert look_at_pods(FIRST, {}, {"gpu-2": replace(NODE, name="gpu-2")}, (), MOMENT).entries == {}


def test_a_test_may_wait_for_less() -> None:
    """The waits are part of the moment, and the default ones are those of the documentation."""
    short = replace(BLOCKED, start=replace(BLOCKED.start, unready_since=NOW - timedelta(seconds=10)))
    assert look(NO_SETBACKS, short).entries == {}
    waits = Waits(timedelta(seconds=10), timedelta(minutes=1))
    (found,) = look(NO_SETBACKS, short, moment=replace(MOMENT, waits=waits)).current()
    assert found.until == NOW + timedelta(minutes=1)


def test_a_pod_that_runs_with_the_recipe_ends_it() -> None:
    """The recipe works there after all."""
    running = replace(READY, uid="pod-2")
    assert look(FIRST, running, node=WORKING).entries == {}
    assert look(FIRST, by_recipe(running, "nvml"), node=WORKING).entries == FIRST.entries
    assert look(FIRST, running).entries == FIRST.entries


def test_expiry_releases_no_pod() -> None:
    """A pod that was left alone because of a setback keeps it remembered, so that nothing repairs that pod."""
    left = replace(READY, uid="pod-2", decision=LEFT, recipe="", patched=False)
    later = look(FIRST, left, moment=at(72 * HOUR))
    assert later.entries == FIRST.entries
    assert failed(later) is None
    assert look(later, moment=at(72 * HOUR)).entries == {}


def test_pods_without_our_patch_make_no_setback() -> None:
    """Neither does a pod that no DaemonSet owns, or one on an unknown node."""
    for pod in (replace(BLOCKED, recipe=""), replace(BLOCKED, owner_name=""), replace(BLOCKED, node="gpu-2")):
        assert look(NO_SETBACKS, pod) is NO_SETBACKS


def test_an_event_of_another_pod_or_namespace_explains_nothing() -> None:
    """Its text is not taken, and it excuses nothing."""
    foreign = "plugin failed to setup network for sandbox"
    for other in (event(foreign)._replace(namespace="tenant"), event(foreign)._replace(pod_uid="pod-9")):
        found = failed(look(NO_SETBACKS, BLOCKED, events=[other]))
        assert found is not None
        assert found.text == "the pod waits: ContainerCreating"


def test_a_blocked_pod_is_due_for_release_once() -> None:
    """Only while it is blocked, and only that very pod."""
    assert [pod.uid for _, pod in due(FIRST, [BLOCKED, again(2)])] == ["pod-1"]
    assert list(due(FIRST, [])) == []
    assert list(due(FIRST, [replace(READY, recipe="runtime-class")])) == []
    assert list(due(with_released(FIRST, FIRST.current()), [BLOCKED])) == []
    assert list(due(FIRST.as_of(NOW + timedelta(hours=1)), [BLOCKED])) == []


def test_a_running_pod_is_never_due() -> None:
    """A plugin that runs without effect is left running."""
    idle = look(NO_SETBACKS, by_recipe(READY, "nvml"))
    assert [found.kind for found in idle.current()] == [SetbackKind.NO_GPU]
    assert list(due(idle, [by_recipe(READY, "nvml")])) == []


def test_the_number_of_setbacks_is_bounded() -> None:
    """The newest are kept."""
    count = MAX_SETBACKS + 10
    nodes = {f"gpu-{number}": replace(NODE, name=f"gpu-{number}") for number in range(count)}
    pods = {name: replace(BLOCKED, uid=name, node=name) for name in nodes}
    assert len(look_at_pods(FIRST, pods, nodes, (), at(1)).entries) == MAX_SETBACKS


def test_two_views_are_joined() -> None:
    """Of two files: a failure that expired in one and counts in the other counts."""
    expired = FIRST.as_of(NOW + timedelta(hours=1))
    assert failed(expired.updated(FIRST)) is not None
    assert failed(FIRST.updated(expired)) is None
    assert FIRST.updated(NO_SETBACKS).entries == FIRST.entries


def test_without_the_present_time_nothing_expires() -> None:
    """A file may record no time at all."""
    unknown = replace(MOMENT, now=None)
    bare = replace(BLOCKED, start=replace(BLOCKED.start, unready_since=None))
    node = replace(NODE, ready_since=None)
    assert failed(look(NO_SETBACKS, bare, node=node, moment=unknown), node=node) is not None
