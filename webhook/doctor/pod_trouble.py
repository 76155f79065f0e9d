"""Why a pod is not well, in one line: from the states of its containers."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from webhook.kube.containers import last_end, waiting_state
from webhook.kube.values import items, mapping, text
from webhook.view.recorded_time import parse_time

STATUS_FIELDS = ("initContainerStatuses", "containerStatuses")
# How a container may end by itself; other reasons have a message.
ENDS = ("OOMKilled", "Error")
# A container of such a state waits for another one of its pod.
WAITS_FOR_INIT = "PodInitializing"


def trouble_of(pod: Mapping[str, Any]) -> str:
    """Return why a pod does not run, empty where it does."""
    status = mapping(pod.get("status"))
    for container in _statuses(pod):
        waiting = waiting_state(container)
        if text(waiting.get("reason")) == WAITS_FOR_INIT and (first := running_init(pod)):
            return f"waits for its init container {first}"
        if waiting:
            return f"{text(waiting.get('reason'))}, {container.get('restartCount', 0)} restarts{_said(container)}"
    phase = text(status.get("phase"))
    said = text(status.get("message")) or unschedulable(pod)
    return "" if phase == "Running" else f"{phase}: {' '.join(said.split())}" if said else phase


def unschedulable(pod: Mapping[str, Any]) -> str:
    """Return why the scheduler finds no node for a pod, empty where it has one or says nothing."""
    conditions = items(mapping(pod.get("status")).get("conditions"))
    return next((text(one.get("message")) for one in conditions if one.get("reason") == "Unschedulable"), "")


def ready_since(pod: Mapping[str, Any]) -> datetime | None:
    """Return since when a pod is Ready, None where it is not, or the time is unknown."""
    conditions = items(mapping(pod.get("status")).get("conditions"))
    ready = next((one for one in conditions if one.get("type") == "Ready" and one.get("status") == "True"), {})
    return parse_time(ready.get("lastTransitionTime"))


def is_over(pod: Mapping[str, Any]) -> bool:
    """Say whether a pod has ended, or is being deleted: nothing about it matters any more."""
    phase = mapping(pod.get("status")).get("phase")
    return phase in ("Succeeded", "Failed") or "deletionTimestamp" in mapping(pod.get("metadata"))


def cause_of(pod: Mapping[str, Any]) -> tuple[str, str]:
    """Return message and reason of the first container that waits, empty texts where none does."""
    for container in _statuses(pod):
        if waiting := waiting_state(container):
            ended = last_end(container)
            message = text(ended.get("message")) or text(waiting.get("message"))
            return message, text(waiting.get("reason"))
    return "", ""


def running_init(pod: Mapping[str, Any]) -> str:
    """Return the name of the init container that runs and is no sidecar, empty for none."""
    statuses = items(mapping(pod.get("status")).get("initContainerStatuses"))
    spec = {text(one.get("name")): one for one in items(mapping(pod.get("spec")).get("initContainers"))}
    return next(
        (
            name
            for one in statuses
            if "running" in mapping(one.get("state"))
            and spec.get(name := text(one.get("name")), {}).get("restartPolicy") != "Always"
        ),
        "",
    )


def _statuses(pod: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    status = mapping(pod.get("status"))
    return (container for field in STATUS_FIELDS for container in items(status.get(field)))


def _said(container: Mapping[str, Any]) -> str:
    ended = last_end(container)
    reason = text(ended.get("reason"))
    how = f", {reason} (exit code {ended.get('exitCode')})" if reason in ENDS and ended.get("exitCode") else ""
    message = text(ended.get("message")) or text(waiting_state(container).get("message"))
    return how + (f": {' '.join(message.split())}" if message else "")
