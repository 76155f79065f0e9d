"""A view from a file, with what its Events show: why plugin pods failed, and which failures workloads met.

A user may write any time into an Event of the own namespace. So the times of Events count for what their Event is
about: a plugin pod, or the workloads of that namespace.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import Any

from webhook.kube.metadata import namespace_of
from webhook.observations.plugin_observation import Moment
from webhook.view.event_projection import failures_of, project_event
from webhook.view.plugin_watch import owned_pods, with_observations, with_setbacks
from webhook.view.recorded_time import latest, recorded_times
from webhook.view.view import ClusterView

ApiObject = Mapping[str, Any]


def with_events(
    view: ClusterView, events: Iterable[ApiObject], now: datetime | None, is_gpu_resource: Callable[[str], bool]
) -> ClusterView:
    """Return the view with all that Events and pods show; ``now`` is the newest time that its other objects record."""
    by_namespace: dict[str, list[ApiObject]] = {}
    for item in events:
        by_namespace.setdefault(namespace_of(item), []).append(item)
    failures = {
        namespace: failures_of(found, namespace, latest(now, *_times(found)))
        for namespace, found in by_namespace.items()
    }
    known = replace(view, workload_failures=MappingProxyType(failures))
    plugins = {(pod.plugin.namespace, pod.uid) for pod in owned_pods(view).values()}
    about = [(item, event) for found in by_namespace.values() for item in found if (event := project_event(item))]
    of_plugins = [(item, event) for item, event in about if (event.namespace, event.pod_uid) in plugins]
    moment = Moment(latest(now, *_times(item for item, _ in of_plugins)), is_gpu_resource)
    return with_setbacks(with_observations(known, moment), (event for _, event in of_plugins), moment)


def _times(items: Iterable[ApiObject]) -> list[datetime]:
    return [time for item in items for time in recorded_times(item)]
