"""Events, as the view keeps them: those about plugin pods, and those that show failures of workloads.

An Event about a plugin pod only explains what the status of that pod shows.

With ``eventTime`` set, a user may create an Event in the own namespace about a pod of another one. So an Event counts
only for a pod of the Event's own namespace, and only by the pod's UID.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from webhook.kube.metadata import namespace_of
from webhook.kube.values import mapping, text
from webhook.observations.pod_start import PodEvent
from webhook.observations.workload_failure import (
    EventReason,
    InvolvedObject,
    WorkloadFailure,
    cause_of,
    concerns_patch,
    current,
)
from webhook.view.recorded_time import EVENT_TIMES, latest, parse_time

# Longer than any name that the API server accepts.
MAX_MESSAGE = 1024
MAX_NAME = 253
# The names in events.k8s.io of the core API's times.
DEPRECATED_TIMES = ("deprecatedLastTimestamp", "deprecatedFirstTimestamp")


def project_event(item: Mapping[str, Any]) -> PodEvent | None:
    """Return what an Event (of the core API, or of events.k8s.io) says about a pod; None for other Events."""
    about = mapping(item.get("involvedObject")) or mapping(item.get("regarding"))
    namespace, uid = namespace_of(item), text(about.get("uid"))
    if about.get("kind") != "Pod" or text(about.get("namespace")) != namespace or not (namespace and uid):
        return None
    message = text(item.get("message") or item.get("note"))
    return PodEvent(namespace, uid, text(item.get("reason")), message[:MAX_MESSAGE])


def failures_of(
    events: Iterable[Mapping[str, Any]], namespace: str, now: datetime | None
) -> tuple[WorkloadFailure, ...]:
    """Return the failures of workloads that the Events of a namespace show, as of ``now``; the rest is left out."""
    found = (project_failure(item) for item in events if namespace_of(item) == namespace)
    return tuple(current((failure for failure in found if failure is not None), now))


def project_failure(item: Mapping[str, Any]) -> WorkloadFailure | None:
    """Return the failure of a workload that an Event shows, None where it shows none.

    The object must be in the Event's own namespace: a user who may write there may affect only that namespace.
    """
    about = mapping(item.get("involvedObject")) or mapping(item.get("regarding"))
    reason, uid = text(item.get("reason")), text(about.get("uid"))
    if reason not in set(EventReason) or not uid or text(about.get("namespace")) != namespace_of(item):
        return None
    message = text(item.get("message") or item.get("note"))[:MAX_MESSAGE]
    failure = WorkloadFailure(
        reason=EventReason(reason),
        about=InvolvedObject(text(about.get("kind"))[:MAX_NAME], text(about.get("name"))[:MAX_NAME], uid[:MAX_NAME]),
        message=message,
        node=_node_of(item)[:MAX_NAME],
        seen=last_seen(item),
        cause=cause_of(message, reason),
    )
    return failure if concerns_patch(failure) else None


def _node_of(item: Mapping[str, Any]) -> str:
    source = mapping(item.get("source")) or mapping(item.get("deprecatedSource"))
    return text(source.get("host") or item.get("reportingInstance"))


def last_seen(item: Mapping[str, Any]) -> datetime | None:
    """Return when an Event happened last, None where it names no time."""
    series = mapping(item.get("series"))
    written = (series.get("lastObservedTime"), *(item.get(key) for key in (*EVENT_TIMES, *DEPRECATED_TIMES)))
    return latest(*(parse_time(value) for value in written if value))
