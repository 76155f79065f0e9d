"""Plugin pods with our patch, as values and as API objects: what the tests of setbacks share."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from webhook.observations.plugin_observation import Moment
from webhook.observations.pod_start import PodEvent, PodStart
from webhook.policy.model import Policy
from webhook.view.view import Node, Plugin, PluginPod

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
MOMENT = Moment(NOW, Policy().is_gpu_resource)
LONG, SHORT = NOW - timedelta(minutes=5), NOW - timedelta(minutes=4, seconds=59)
GPU = {"nvidia.com/gpu": "1"}

PLUGIN = Plugin("kube-system", "plugin-1")
NODE = Node("gpu-1", os_image="Ubuntu", handlers=frozenset({"runc"}), boot_id="boot-1", ready=True, ready_since=LONG)
BLOCKED = PluginPod(
    PLUGIN,
    "pod-1",
    "gpu-1",
    "ds-1",
    running=False,
    ready=False,
    owner_name="plugin",
    decision="bootstrap/runtime-class",
    patched=True,
    phase="Pending",
    waiting="ContainerCreating",
    ready_since=LONG,
    recipe="runtime-class",
    start=PodStart(sandbox=False, unready_since=LONG),
)
READY = replace(
    BLOCKED, running=True, ready=True, phase="Running", waiting="", start=PodStart(sandbox=True, unready_since=LONG)
)
WORKING = replace(NODE, capacity=GPU, allocatable=GPU)
NO_HANDLER = (
    'Failed to create pod sandbox: rpc error: failed to get sandbox runtime: no runtime for "nvidia" is configured'
)


def started(pod: PluginPod, **changes: Any) -> PluginPod:  # noqa: ANN401
    """Return a pod whose start has come as far as the changes say."""
    return replace(pod, start=replace(pod.start, **changes))


def by_recipe(pod: PluginPod, recipe: str) -> PluginPod:
    """Return a pod with another recipe."""
    return replace(pod, recipe=recipe, decision=f"bootstrap/{recipe}")


def event(message: str, reason: str = "FailedCreatePodSandBox", pod: PluginPod = BLOCKED) -> PodEvent:
    """Return an Event about a pod."""
    return PodEvent(pod.plugin.namespace, pod.uid, reason, message)


def at(minutes: float) -> Moment:
    """Return the moment some minutes later."""
    return replace(MOMENT, now=NOW + timedelta(minutes=minutes))
