"""The failures that Events of a live cluster show, for commands: with the user's own rights, each list read once."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from types import MappingProxyType

from webhook.kube.metadata import namespace_of
from webhook.kube_client.api_error import ApiError
from webhook.kube_client.client import KubeClient
from webhook.kube_client.paging import pages
from webhook.observations.workload_failure import MAX_FAILURES, EventReason, WorkloadFailure
from webhook.view.event_projection import failures_of

Failures = Mapping[str, tuple[WorkloadFailure, ...]]


async def read_failures(client: KubeClient, namespaces: Iterable[str], known: Iterable[str], now: datetime) -> Failures:
    """Return the failures by namespace; what may not be read is left out. ``OSError`` when no answer came.

    Without ``namespaces`` all are read; ``known`` are then the namespaces that exist.
    """
    places = {name: f"/api/v1/namespaces/{name}/events" for name in namespaces} or {"": "/api/v1/events"}
    found: dict[str, tuple[WorkloadFailure, ...]] = {}
    for name, path in places.items():
        try:
            read = [await _list(client, path, reason, now) for reason in EventReason]
        except ApiError:
            continue
        found |= dict.fromkeys(known if not name else (name,), ())
        for part in read:
            for namespace, failures in part.items():
                found[namespace] = (*found.get(namespace, ()), *failures)
    return MappingProxyType(found)


async def _list(client: KubeClient, path: str, reason: EventReason, now: datetime) -> dict[str, list[WorkloadFailure]]:
    found: dict[str, list[WorkloadFailure]] = {}
    async for page in pages(client, path, {"fieldSelector": f"reason={reason}"}):
        for namespace in sorted({namespace_of(item) for item in page.items}):
            failures = found.setdefault(namespace, [])
            room = MAX_FAILURES - len(failures)
            # An archive answers with all Events of a kind.
            failures += [one for one in failures_of(page.items, namespace, now) if one.reason is reason][:room]
    return found
