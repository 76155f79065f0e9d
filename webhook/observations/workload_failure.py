"""What Events say of pods that could not be created or started: values, and which of them are kept. Pure.

A user may write Events about objects of the own namespace. So an Event of a namespace counts for that namespace alone.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from webhook.nvidia.failure_messages import Failure, failure_of


class EventReason(StrEnum):
    """The reasons of Events that may show the failure of a patch."""

    SANDBOX = "FailedCreatePodSandBox"
    """From the kubelet: the runtime cannot make the pod's sandbox."""
    VOLUME = "FailedMount"
    """From the kubelet: a volume cannot be set up."""
    CONTAINER = "Failed"
    """From the kubelet: a container cannot be created or started."""
    REFUSED = "FailedCreate"
    """From a controller of Kubernetes: the API server refused a pod."""
    OPERATOR_REFUSED = "FailedCreatePod"
    """The same, from Kubeflow's operators and others."""
    RAY_HEAD_REFUSED = "FailedToCreateHeadPod"
    """The same, from KubeRay."""
    RAY_WORKER_REFUSED = "FailedToCreateWorkerPod"
    """The same, from KubeRay."""


RAY_REFUSALS = (EventReason.RAY_HEAD_REFUSED, EventReason.RAY_WORKER_REFUSED)
REFUSALS = (EventReason.REFUSED, EventReason.OPERATOR_REFUSED, *RAY_REFUSALS)


# API servers keep Events for an hour by default; some keep them for longer.
LIFETIME = timedelta(hours=1)
# The longest that the API server accepts in Events that name a time.
MAX_MESSAGE = 1024
MAX_FAILURES = 100
# What a text names that concerns a patch of ours, in small letters. Other texts are not kept.
SIGNS = (
    "gpu-injector",
    "nvidia",
    "libcuda",
    "runtimeclass",
    "hostpath",
    "overhead",
    "privileged",
    "toleration",
    "node label selector",
    "nodeselector",
)


@dataclass(frozen=True, slots=True)
class InvolvedObject:
    """The object that an Event is about."""

    kind: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class WorkloadFailure:
    """One Event: reason, the object that it is about, the message, and the node that it names (empty for none).

    ``cause`` is what the message names, None where that is not known. ``seen`` is when it last happened.
    """

    reason: EventReason
    about: InvolvedObject
    message: str
    node: str = ""
    seen: datetime | None = None
    cause: Failure | None = None

    @property
    def lowered(self) -> str:
        """The message in small letters."""
        return self.message.lower()

    @property
    def text(self) -> str:
        """The message in one line."""
        return " ".join(self.message.split())


def cause_of(message: str, reason: str) -> Failure | None:
    """Return the cause that a message names; a reason alone names none here."""
    return failure_of(message[:MAX_MESSAGE]) if reason in set(EventReason) else None


def concerns_patch(failure: WorkloadFailure) -> bool:
    """Say whether an Event may be about a patch of ours."""
    return failure.cause is not None or any(sign in failure.lowered for sign in SIGNS)


def current(failures: Iterable[WorkloadFailure], now: datetime | None) -> Iterator[WorkloadFailure]:
    """Yield the failures of the last hour; those whose time is not known count."""
    for failure in failures:
        if now is None or failure.seen is None or now - failure.seen < LIFETIME:
            yield failure
