"""What plugin pods without our patch showed: healthy or blind, for each DaemonSet and kind of node."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.nvidia.known_plugins import Role
from webhook.observations.plugin_observation import (
    MAX_OBSERVATIONS,
    NO_OBSERVATIONS,
    SETTLING,
    STALE_CAPACITY,
    STEADY,
    Moment,
    Observation,
    ObservationKey,
    Observations,
    PluginState,
    observe,
    plugin_state,
)
from webhook.policy.model import Policy
from webhook.view.view import Node, Nvml, Plugin, PluginPod

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
MOMENT = Moment(NOW, Policy().is_gpu_resource)
HEALTHY, BLIND = PluginState.HEALTHY, PluginState.BLIND
PLUGIN = Plugin("kube-system", "plugin-1")
READY = PluginPod(PLUGIN, "pod-1", "a", "ds-1", running=True, ready=True, owner_name="plugin")
GPU, ZERO = {"nvidia.com/gpu": "1"}, {"nvidia.com/gpu": "0"}
WORKING = Node("a", os_image="Ubuntu", capacity=GPU, allocatable=GPU, ready=True)
IDLE = replace(WORKING, capacity={}, allocatable={})
LOST = replace(WORKING, capacity=ZERO, allocatable=ZERO)
KEY = ObservationKey("kube-system", "plugin", WORKING.host)
LONG = timedelta(days=1)


def pod(role: Role = Role.DEVICE_PLUGIN, ago: timedelta | None = LONG, **changes: Any) -> PluginPod:  # noqa: ANN401
    """Return a plugin pod, by default one that is ready since long."""
    since = None if ago is None else NOW - ago
    return replace(READY, plugin=replace(PLUGIN, role=role), ready_since=since, **changes)


def look(previous: Observations, *pods: PluginPod, moment: Moment = MOMENT, node: Node = WORKING) -> Observations:
    """Observe some pods on nodes that are alike."""
    nodes = {one.node: replace(node, name=one.node) for one in pods}
    return observe(previous, {str(number): one for number, one in enumerate(pods)}, nodes, moment)


def offering(name: str) -> Node:
    """Return the node with one resource, of which it has some."""
    return replace(WORKING, capacity={name: "4"}, allocatable={name: "4"})


def later(minutes: float) -> Moment:
    """Return a moment some minutes after the first."""
    return replace(MOMENT, now=NOW + timedelta(minutes=minutes))


CRASHING: dict[str, Any] = {"ready": False, "waiting": "CrashLoopBackOff"}


@pytest.mark.parametrize(
    ("seen", "node", "state"),
    [
        (pod(), WORKING, HEALTHY),
        (pod(ago=None), WORKING, HEALTHY),
        (pod(ago=timedelta(0)), WORKING, HEALTHY),
        (pod(), replace(WORKING, capacity={"nvidia.com/mig-1g.5gb": "2"}), HEALTHY),
        (pod(), replace(WORKING, allocatable=ZERO), HEALTHY),
        (pod(ago=STALE_CAPACITY / 2), replace(WORKING, allocatable=ZERO), None),
        (pod(ready=False), WORKING, None),
        (pod(running=False), WORKING, None),
        (pod(), replace(WORKING, ready=False), None),
        (pod(), replace(WORKING, ready=None), HEALTHY),
        (pod(), IDLE, BLIND),
        (pod(ago=None), IDLE, BLIND),
        (pod(ago=SETTLING / 2), IDLE, None),
        (pod(), LOST, BLIND),
        (pod(), replace(WORKING, capacity={"nvidia.com/GA102": "1"}, allocatable={}), BLIND),
        (pod(), offering("nvidia.com/a100"), HEALTHY),
        (pod(), offering("nvidia.com/gpu-small"), HEALTHY),
        (pod(ready=False), offering("nvidia.com/gpu-small"), None),
        (pod(), offering("nvidia.com/team-a"), None),
        (pod(**CRASHING), offering("nvidia.com/team-a"), None),
        (pod(), offering("volcano.sh/vgpu-number"), None),
        (pod(), offering("nvidia.com/hostdev"), BLIND),
        (pod(**CRASHING), IDLE, BLIND),
        (pod(**CRASHING), WORKING, None),
        (pod(ready=False, waiting="ImagePullBackOff"), IDLE, None),
        (pod(), replace(IDLE, ready=False), None),
    ],
)
def test_the_state_of_a_device_plugin(seen: PluginPod, node: Node, state: PluginState | None) -> None:
    """Healthy: ready, while the node's capacity has its resource. A pod that shows neither state has none."""
    assert plugin_state(seen, node, MOMENT) is state


@pytest.mark.parametrize(
    ("seen", "labels", "state"),
    [
        (pod(Role.EXPORTER, STEADY), {}, HEALTHY),
        (pod(Role.EXPORTER, STEADY - timedelta(seconds=1)), {}, None),
        (pod(Role.EXPORTER, ready=False), {}, None),
        (pod(Role.EXPORTER, **CRASHING), {}, BLIND),
        (pod(Role.MPS_CONTROL_DAEMON, **CRASHING), {}, BLIND),
        (pod(Role.MPS_CONTROL_DAEMON), {}, HEALTHY),
        (pod(Role.OTHER), {}, HEALTHY),
        (pod(Role.FEATURE_DISCOVERY), {"nvidia.com/gpu.product": "H100"}, HEALTHY),
        (pod(Role.FEATURE_DISCOVERY), {}, BLIND),
        (pod(Role.FEATURE_DISCOVERY, STEADY / 2), {}, None),
    ],
)
def test_the_state_of_another_management_pod(
    seen: PluginPod, labels: Mapping[str, str], state: PluginState | None
) -> None:
    """Healthy: ready for ten minutes without a restart; feature discovery must also have found a GPU."""
    assert plugin_state(seen, replace(WORKING, labels=labels), MOMENT) is state


def test_how_long_a_pod_is_ready_is_unknown_without_the_present_time() -> None:
    """A recorded time alone proves no duration."""
    unknown = replace(MOMENT, now=None)
    assert plugin_state(pod(Role.EXPORTER), WORKING, unknown) is None
    assert plugin_state(pod(Role.EXPORTER, ago=None), WORKING, unknown) is HEALTHY


def test_the_first_observation() -> None:
    """It is kept by DaemonSet, kind of node, and how the pod got NVML."""
    found = look(NO_OBSERVATIONS, pod())
    assert found.entries == {KEY: Observation(HEALTHY, NOW)}
    assert (found.state(KEY), found.state(KEY._replace(nvml=Nvml.CLASS))) == (HEALTHY, None)
    under_class = replace(pod(), plugin=replace(PLUGIN, nvml=Nvml.CLASS, runtime_class="nvidia-cdi"))
    assert list(look(NO_OBSERVATIONS, under_class).entries) == [KEY._replace(nvml="class", runtime_class="nvidia-cdi")]


@pytest.mark.parametrize(
    "hidden",
    [pod(patched=True), pod(owner_name=""), pod(node="elsewhere")],
    ids=["our patch", "no DaemonSet", "no node"],
)
def test_pods_that_prove_nothing(hidden: PluginPod) -> None:
    """A pod with our patch shows what the patch does."""
    assert observe(NO_OBSERVATIONS, {"1": hidden}, {"a": WORKING}, MOMENT) is NO_OBSERVATIONS


@pytest.mark.parametrize(
    "pods",
    [[], [pod(ready=False)], [pod(running=False)], [pod(patched=True)], [pod(ago=timedelta(0))]],
    ids=["missing", "restarting", "ending", "patched", "just ready"],
)
def test_a_rollout_does_not_erase_an_observation(pods: list[PluginPod]) -> None:
    """Until another pod shows a state, the last one counts."""
    for state in PluginState:
        known = Observations({KEY: Observation(state, NOW)})
        assert look(known, *pods, node=replace(IDLE, capacity={}), moment=later(0)) is known


def test_nodes_of_another_kind_are_observed_apart() -> None:
    """A new kernel or runtime may behave differently."""
    found = look(look(NO_OBSERVATIONS, pod()), pod(), node=replace(IDLE, runtime="containerd://2.2"))
    assert [(key.host.runtime, one.state) for key, one in found.entries.items()] == [
        ("", HEALTHY),
        ("containerd://2.2", BLIND),
    ]


def test_a_plugin_that_loses_its_driver_is_blind_after_a_minute() -> None:
    """A kubelet that restarts reports no devices for a moment, which must not count."""
    healthy = look(NO_OBSERVATIONS, pod())
    doubted = look(healthy, pod(), node=LOST, moment=later(1))
    assert doubted.entries == {KEY: Observation(HEALTHY, NOW, blind_since=later(1).now)}
    assert look(doubted, pod(), node=LOST, moment=later(1.5)) is doubted
    assert look(doubted, pod(), moment=later(1.5)) == healthy
    assert look(doubted, pod(), node=LOST, moment=later(2)).entries == {KEY: Observation(BLIND, later(2).now)}


@pytest.mark.parametrize(
    ("labels", "state"),
    [({}, HEALTHY), ({"nvidia.com/gpu.present": "true"}, BLIND), ({"nvidia.com/gpu.present": "false"}, HEALTHY)],
    ids=["no sign of a GPU", "labelled", "labelled without"],
)
def test_an_idle_pod_on_a_node_without_a_gpu_refutes_nothing(labels: Mapping[str, str], state: PluginState) -> None:
    """One manifest and one image serve all nodes: while the GPU node's pod restarts, only idle pods are left."""
    healthy = look(NO_OBSERVATIONS, pod())
    idle = replace(IDLE, labels=labels)
    doubted = look(healthy, pod(node="cpu-1"), node=idle, moment=later(1))
    assert look(doubted, pod(node="cpu-1"), node=idle, moment=later(9)).state(KEY) is state


def test_a_blind_plugin_that_finds_its_gpu_is_healthy_at_once() -> None:
    """Its GPU is allocatable, so it has registered."""
    blind = look(NO_OBSERVATIONS, pod(), node=IDLE)
    assert look(blind, pod(), moment=later(1)).entries == {KEY: Observation(HEALTHY, later(1).now)}


def test_a_healthy_pod_counts_more_than_a_blind_one() -> None:
    """The same kind of node works elsewhere: the blind pod's own node shows what is wrong there."""
    pods = {"1": pod(), "2": pod(node="b"), "3": pod(node="c")}
    nodes = {"a": IDLE, "b": replace(WORKING, name="b"), "c": replace(IDLE, name="c")}
    assert observe(NO_OBSERVATIONS, pods, nodes, MOMENT).state(KEY) is HEALTHY


def test_what_is_remembered_is_bounded() -> None:
    """What is seen now stays, then the newest."""
    old = {KEY._replace(daemon_set=f"old-{number}"): Observation(BLIND, NOW - LONG) for number in range(10)}
    new = {KEY._replace(daemon_set=f"{number}"): Observation(BLIND, NOW) for number in range(MAX_OBSERVATIONS - 1)}
    found = look(Observations({**old, **new}), pod())
    assert found.entries.keys() == {KEY, *new}


def test_observations_of_two_views_are_joined() -> None:
    """The newer value counts."""
    below = Observations({KEY: Observation(BLIND), KEY._replace(daemon_set="gfd"): Observation(BLIND)})
    above = Observations({KEY: Observation(HEALTHY)})
    assert [one.state for one in below.updated(above).entries.values()] == [HEALTHY, BLIND]


LOOKS = st.lists(
    st.tuples(
        st.sampled_from([pod(), pod(ready=False), pod(running=False), pod(patched=True), pod(**CRASHING), None]),
        st.sampled_from([WORKING, LOST, replace(LOST, ready=False)]),
    ),
    max_size=12,
)


@given(LOOKS)
def test_only_an_unpatched_pod_changes_what_was_observed(history: list[tuple[PluginPod | None, Node]]) -> None:
    """In any history the state is the last one that a pod without our patch showed."""
    known, shown = NO_OBSERVATIONS, None
    for number, (seen, node) in enumerate(history):
        moment = later(number)
        # Twice, two minutes apart: a healthy plugin is blind after a minute.
        for at in (moment, replace(moment, now=NOW + timedelta(minutes=number + 2))):
            known = look(known, *([seen] if seen else []), node=node, moment=at)
        if seen and not seen.patched:
            shown = plugin_state(seen, node, moment) or shown
        assert known.state(KEY) is shown
