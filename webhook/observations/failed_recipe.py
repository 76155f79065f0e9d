"""Whether a plugin pod shows that its recipe failed. Pure.

The status of the pod decides. An Event explains it, and may show that something else is the cause: it never makes a
setback, because users and kubelets can write Events. What passes by itself (image pulls, a restart of the runtime or
of the node) is no failure.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple, Protocol

from webhook.names import VOLUME_PREFIX
from webhook.nvidia.failure_messages import FailureKind, failure_of
from webhook.observations.plugin_observation import (
    CRASH_LOOP,
    Moment,
    ObservedNode,
    ObservedPod,
)
from webhook.observations.pod_start import PodEvent, PodStart
from webhook.observations.setback import MAX_TEXT, SetbackKind

# A container waits this long only after at least five failed starts in a row.
# Source: https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#restart-policy
CRASH_PATIENCE = timedelta(minutes=2)
CREATING = frozenset({"ContainerCreating", "PodInitializing"})
START_ERRORS = frozenset({"CreateContainerError", "RunContainerError"})
FAILED_STARTS = frozenset({"StartError", "ContainerCannotRun"})


class Recipe(StrEnum):
    """How a plugin pod gets the driver."""

    RUNTIME_CLASS = "runtime-class"
    DRIVER_ROOT = "driver-root"
    NVML = "nvml"


CLASS_FAILURES = frozenset(
    {
        FailureKind.HANDLER_UNKNOWN,
        FailureKind.RUNTIME_MISSING,
        FailureKind.CDI_HOOK_MISSING,
        FailureKind.CDI_UNRESOLVED,
        FailureKind.DEVICE_NODE_MISSING,
        FailureKind.CONTAINER_CLI,
        FailureKind.RUNTIME_FAILED,
        FailureKind.MOUNT_TARGET,
        FailureKind.CONTAINER_START,
    }
)
MOUNT_FAILURES = frozenset({FailureKind.MOUNT_TARGET, FailureKind.CONTAINER_START})


class PatchedPod(ObservedPod, Protocol):
    """What a setback reads of a plugin's pod."""

    @property
    def uid(self) -> str: ...  # noqa: D102
    @property
    def decision(self) -> str: ...  # noqa: D102
    @property
    def recipe(self) -> str: ...  # noqa: D102
    @property
    def start(self) -> PodStart: ...  # noqa: D102


class BootedNode(ObservedNode, Protocol):
    """What a setback reads of a node."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def boot_id(self) -> str: ...  # noqa: D102
    @property
    def ready_since(self) -> datetime | None: ...  # noqa: D102


class RecipeFailure(NamedTuple):
    """How a recipe failed, and what the node said."""

    kind: SetbackKind
    text: str


def failure_of_recipe(
    pod: PatchedPod, node: BootedNode, events: Iterable[PodEvent], moment: Moment
) -> RecipeFailure | None:
    """Return the failure that a pod with our patch shows, None where it shows none.

    ``events`` are those about this pod.
    """
    kind = _kind(pod, node, moment)
    if kind is None or kind is SetbackKind.NO_GPU:
        return RecipeFailure(kind, f"the plugin is Ready, and {node.name} offers no GPU") if kind else None
    said = [(event.reason, event.message) for event in events]
    if pod.start.message:
        said.append((pod.waiting, pod.start.message))
    ours = [message for reason, message in said if _names_recipe(pod.recipe, reason, message)]
    if not ours and any(_is_other_cause(pod.recipe, reason, message) for reason, message in said):
        return None
    text = next(iter(ours), "") or next((message for _, message in said), "") or f"the pod waits: {pod.waiting}"
    return RecipeFailure(kind, " ".join(text.split())[:MAX_TEXT])


def _kind(pod: PatchedPod, node: BootedNode, moment: Moment) -> SetbackKind | None:
    patience = moment.waits.patience
    if not pod.recipe or node.ready is not True or not moment.has_passed(patience, node.ready_since):
        return None
    if pod.ready:
        is_idle = _lacks_gpu(pod, node, moment) and moment.has_passed(patience, pod.ready_since)
        return SetbackKind.NO_GPU if is_idle and pod.running else None
    if pod.waiting == CRASH_LOOP and pod.start.last_end not in FAILED_STARTS:
        has_waited = moment.has_passed(min(CRASH_PATIENCE, patience), pod.start.unready_since)
        return SetbackKind.CRASHING if has_waited and _lacks_gpu(pod, node, moment) else None
    if not moment.has_passed(patience, pod.start.unready_since):
        return None
    if pod.waiting in START_ERRORS or pod.waiting == CRASH_LOOP:
        return SetbackKind.START_FAILED
    return SetbackKind.BLOCKED if pod.waiting in CREATING and pod.start.sandbox is False else None


def _lacks_gpu(pod: PatchedPod, node: BootedNode, moment: Moment) -> bool:
    """Say whether a device plugin that got privileges found no GPU: then the patch has no effect."""
    is_judged = pod.plugin.role == "device-plugin" and pod.recipe != Recipe.RUNTIME_CLASS
    return is_judged and moment.finds_gpus(node.capacity) is False


def _names_recipe(recipe: str, reason: str, message: str) -> bool:
    """Say whether a text names what the recipe added to the pod."""
    if VOLUME_PREFIX in message:
        return recipe != Recipe.RUNTIME_CLASS
    failure = failure_of(message, reason)
    if failure is None or "executable file not found in $PATH" in message:
        return False
    return failure.kind in (CLASS_FAILURES if recipe == Recipe.RUNTIME_CLASS else MOUNT_FAILURES)


def _is_other_cause(recipe: str, reason: str, message: str) -> bool:
    """Say whether a text names a cause that has nothing to do with the recipe."""
    if reason == "FailedCreatePodSandBox":
        # The library and the devices are mounted into containers, never into the sandbox.
        return recipe != Recipe.RUNTIME_CLASS or "network" in message or "CNI" in message
    return reason == "FailedMount" or "executable file not found in $PATH" in message
