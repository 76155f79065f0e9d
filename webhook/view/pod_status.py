"""What a pod's status says about its containers."""

from collections.abc import Iterator, Mapping
from typing import Any

from webhook.kube.values import EMPTY, items, mapping, text
from webhook.observations.pod_start import PodStart
from webhook.view.recorded_time import parse_time

# The condition's name before Kubernetes 1.28 was the second one.
SANDBOX_CONDITIONS = ("PodReadyToStartContainers", "PodHasNetwork")
MAX_MESSAGE = 1024
CREATING = "ContainerCreating"


def ready_condition(status: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the condition Ready, empty where there is none."""
    conditions = items(status.get("conditions"))
    return next((condition for condition in conditions if condition.get("type") == "Ready"), EMPTY)


def _statuses(status: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from items(status.get("initContainerStatuses"))
    yield from items(status.get("containerStatuses"))


def waiting_reason(status: Mapping[str, Any], container: str) -> str:
    """Return the reason for which a container waits, of the named one first.

    A file may hold a shortened status without containers. A pending pod with the condition Ready is being started: only
    the kubelet writes that condition, as it begins.
    """
    statuses = tuple(_statuses(status))
    if not statuses:
        is_starting = status.get("phase") == "Pending" and ready_condition(status).get("status") == "False"
        return CREATING if is_starting else ""
    found = ""
    for item in statuses:
        reason = text(mapping(mapping(item.get("state")).get("waiting")).get("reason"))
        if reason and text(item.get("name")) == container:
            return reason
        found = found or reason
    return found


def restart_count(status: Mapping[str, Any]) -> int:
    """Return how often the containers of a pod were restarted, all together."""
    counts = (item.get("restartCount") for item in items(status.get("containerStatuses")))
    return sum(count for count in counts if isinstance(count, int))


def pod_start(status: Mapping[str, Any], spec: Mapping[str, Any], container: str) -> PodStart:
    """Return how far the start of a pod has come; ``container`` is the plugin's."""
    sandbox = next((item for item in items(status.get("conditions")) if item.get("type") in SANDBOX_CONDITIONS), EMPTY)
    changed = (item.get("lastTransitionTime") for item in (ready_condition(status), sandbox))
    times = [time for value in (*changed, status.get("startTime")) if value and (time := parse_time(value))]
    item = next((item for item in _statuses(status) if text(item.get("name")) == container), EMPTY)
    waiting = mapping(mapping(item.get("state")).get("waiting"))
    ended = mapping(mapping(item.get("lastState")).get("terminated"))
    return PodStart(
        sandbox=_has_sandbox(status, spec, sandbox),
        unready_since=max(times, default=None),
        message=text(ended.get("message") or waiting.get("message"))[:MAX_MESSAGE],
        last_end=text(ended.get("reason")),
    )


def _has_sandbox(status: Mapping[str, Any], spec: Mapping[str, Any], condition: Mapping[str, Any]) -> bool | None:
    """Say whether a pod's sandbox was created. An older kubelet shows it by the address, if that is not the node's."""
    if condition:
        return condition.get("status") == "True"
    return None if spec.get("hostNetwork") else bool(status.get("podIP"))
