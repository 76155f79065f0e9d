"""When a plugin pod shows that its recipe failed: its status decides, Events explain."""

from dataclasses import replace
from datetime import timedelta

import pytest
from support.setback_world import (
    BLOCKED,
    MOMENT,
    NO_HANDLER,
    NODE,
    NOW,
    READY,
    SHORT,
    WORKING,
    by_recipe,
    event,
    started,
)

from webhook.nvidia.known_plugins import Role
from webhook.observations.failed_recipe import failure_of_recipe
from webhook.observations.setback import MAX_TEXT, SetbackKind
from webhook.view.view import Node, PluginPod

MISSING_FILE = (
    'MountVolume.SetUp failed for volume "gpu-injector-nvml" : hostPath type check failed: '
    "/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1 is not a file"
)
OTHER_FILE = MISSING_FILE.replace("gpu-injector-nvml", "config")
TIMED_OUT = "Unable to attach or mount volumes: unmounted volumes=[gpu-injector-nvml], timed out"
NO_NETWORK = 'Failed to create pod sandbox: plugin type="calico" failed (add): failed to setup network for sandbox'
BLOCKED_BY_MOUNT = by_recipe(BLOCKED, "nvml")
NOT_STARTED = replace(started(BLOCKED, sandbox=True), waiting="CreateContainerError")
FAILED = replace(started(BLOCKED, sandbox=True, last_end="StartError"), waiting="CrashLoopBackOff", phase="Running")
CRASHING = replace(by_recipe(FAILED, "nvml"), running=True, start=replace(FAILED.start, last_end="Error"))


def kind(pod: PluginPod, node: Node = NODE) -> SetbackKind | None:
    """Return how a pod's recipe failed."""
    found = failure_of_recipe(pod, node, (), MOMENT)
    return found.kind if found else None


@pytest.mark.parametrize(
    ("pod", "found"),
    [
        (BLOCKED, SetbackKind.BLOCKED),
        (BLOCKED_BY_MOUNT, SetbackKind.BLOCKED),
        (by_recipe(BLOCKED, "driver-root"), SetbackKind.BLOCKED),
        (replace(BLOCKED, waiting="PodInitializing"), SetbackKind.BLOCKED),
        (replace(BLOCKED, phase="Running"), SetbackKind.BLOCKED),
        (started(BLOCKED, unready_since=None), SetbackKind.BLOCKED),
        (NOT_STARTED, SetbackKind.START_FAILED),
        (replace(NOT_STARTED, waiting="RunContainerError"), SetbackKind.START_FAILED),
        (FAILED, SetbackKind.START_FAILED),
        (started(FAILED, last_end="ContainerCannotRun"), SetbackKind.START_FAILED),
        (CRASHING, SetbackKind.CRASHING),
        (by_recipe(READY, "nvml"), SetbackKind.NO_GPU),
        (by_recipe(READY, "driver-root"), SetbackKind.NO_GPU),
    ],
)
def test_what_is_a_failure(pod: PluginPod, found: SetbackKind) -> None:
    """Five minutes without a start, or privileges without effect."""
    assert kind(pod) is found


@pytest.mark.parametrize(
    "pod",
    [
        replace(BLOCKED, recipe=""),
        started(BLOCKED, unready_since=SHORT),
        started(BLOCKED, sandbox=True),
        started(BLOCKED, sandbox=None),
        replace(BLOCKED, waiting=""),
        replace(BLOCKED, waiting="ImagePullBackOff"),
        replace(BLOCKED, waiting="ErrImagePull"),
        replace(BLOCKED, waiting="CreateContainerConfigError"),
        started(NOT_STARTED, unready_since=SHORT),
        started(FAILED, unready_since=SHORT),
        started(CRASHING, unready_since=NOW - timedelta(minutes=1, seconds=59)),
        by_recipe(CRASHING, "runtime-class"),
        READY,
        replace(by_recipe(READY, "nvml"), ready_since=SHORT),
        replace(by_recipe(READY, "nvml"), running=False),
        replace(by_recipe(READY, "nvml"), plugin=replace(READY.plugin, role=Role.EXPORTER)),
    ],
)
def test_what_is_no_failure(pod: PluginPod) -> None:
    """What has no patch, what may still start, what pulls its image, and what fails by the author's doing."""
    assert kind(pod) is None


@pytest.mark.parametrize(
    "node",
    [replace(NODE, ready=False), replace(NODE, ready=None), replace(NODE, ready_since=SHORT)],
    ids=["not ready", "unknown", "just ready"],
)
def test_a_node_that_was_away_proves_nothing(node: Node) -> None:
    """A restart of the runtime, or of the node, makes handlers disappear for minutes."""
    for pod in (BLOCKED, NOT_STARTED, FAILED, CRASHING, by_recipe(READY, "nvml")):
        assert kind(pod, node) is None


@pytest.mark.parametrize("pod", [by_recipe(READY, "nvml"), CRASHING])
@pytest.mark.parametrize("name", ["nvidia.com/gpu", "nvidia.com/gpu-small", "nvidia.com/team-a"])
def test_a_gpu_in_the_capacity_proves_that_the_plugin_found_it(pod: PluginPod, name: str) -> None:
    """A plugin that registered its GPU has used the patch, whatever its configuration calls the GPU."""
    assert kind(pod, replace(WORKING, capacity={name: "2"})) is None


@pytest.mark.parametrize(
    "message",
    [
        NO_HANDLER,
        'unable to get OCI runtime for sandbox "abc": no runtime for "nvidia" is configured',
        "failed to find runtime handler nvidia from runtime list map[runc:0x1]",
        'RuntimeHandler "nvidia" not supported',
        "fork/exec /usr/bin/nvidia-container-runtime: no such file or directory",
    ],
)
def test_an_event_explains_a_failed_class(message: str) -> None:
    """Containerd 1 and 2, CRI-O, Docker, and a program that is missing."""
    found = failure_of_recipe(BLOCKED, NODE, [event(NO_NETWORK), event(message)], MOMENT)
    assert found == (SetbackKind.BLOCKED, message)


def test_an_event_explains_a_failed_mount() -> None:
    """The kubelet names our volume."""
    for message in (MISSING_FILE, TIMED_OUT):
        found = failure_of_recipe(BLOCKED_BY_MOUNT, NODE, [event(message, "FailedMount")], MOMENT)
        assert found == (SetbackKind.BLOCKED, message)


@pytest.mark.parametrize(
    ("pod", "reason", "message"),
    [
        (BLOCKED, "FailedCreatePodSandBox", NO_NETWORK),
        (BLOCKED, "FailedMount", OTHER_FILE),
        (BLOCKED, "FailedMount", MISSING_FILE),
        (BLOCKED_BY_MOUNT, "FailedMount", OTHER_FILE),
        (BLOCKED_BY_MOUNT, "FailedCreatePodSandBox", NO_HANDLER),
        (NOT_STARTED, "Failed", 'exec: "plugin": executable file not found in $PATH'),
    ],
)
def test_a_cause_that_is_not_ours(pod: PluginPod, reason: str, message: str) -> None:
    """An Event may show that the pod does not wait because of the patch."""
    assert failure_of_recipe(pod, NODE, [event(message, reason)], MOMENT) is None


def test_events_alone_prove_nothing() -> None:
    """Users and kubelets can write Events: a pod whose status shows no failure has none."""
    for pod in (READY, started(BLOCKED, unready_since=SHORT), replace(BLOCKED, waiting="ImagePullBackOff")):
        assert failure_of_recipe(pod, NODE, [event(NO_HANDLER)], MOMENT) is None


@pytest.mark.parametrize(
    ("pod", "text"),
    [
        (BLOCKED, "the pod waits: ContainerCreating"),
        (by_recipe(READY, "nvml"), "the plugin is Ready, and gpu-1 offers no GPU"),
        (
            started(FAILED, message="failed to create containerd task: nvidia-container-cli:\ninitialization error"),
            "failed to create containerd task: nvidia-container-cli: initialization error",
        ),
    ],
)
def test_the_text_without_an_event(pod: PluginPod, text: str) -> None:
    """It comes from the pod's status, in one line."""
    found = failure_of_recipe(pod, NODE, (), MOMENT)
    assert found is not None
    assert found.text == text


def test_a_text_is_bounded() -> None:
    """A message may be as long as its author likes."""
    found = failure_of_recipe(BLOCKED, NODE, [event(NO_HANDLER + "x" * 5000)], MOMENT)
    assert found is not None
    assert len(found.text) == MAX_TEXT
