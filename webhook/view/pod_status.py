"""What a pod's status says about its containers."""

from collections.abc import Iterator, Mapping
from typing import Any

from webhook.kube.values import EMPTY, items, mapping, text


def ready_condition(status: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the condition Ready, empty where there is none."""
    conditions = items(status.get("conditions"))
    return next((condition for condition in conditions if condition.get("type") == "Ready"), EMPTY)


def _statuses(status: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from items(status.get("initContainerStatuses"))
    yield from items(status.get("containerStatuses"))


def waiting_reason(status: Mapping[str, Any], container: str) -> str:
    """Return the reason for which a container waits, of the named one first."""
    found = ""
    for item in _statuses(status):
        reason = text(mapping(mapping(item.get("state")).get("waiting")).get("reason"))
        if reason and text(item.get("name")) == container:
            return reason
        found = found or reason
    return found


def restart_count(status: Mapping[str, Any]) -> int:
    """Return how often the containers of a pod were restarted, all together."""
    counts = (item.get("restartCount") for item in items(status.get("containerStatuses")))
    return sum(count for count in counts if isinstance(count, int))
