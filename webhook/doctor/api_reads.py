"""Single reads of the API server: an object, a list, the logs of pods. A refused read becomes Unread.

Each raises UnauthorizedError, and ``OSError`` without an answer.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from sys import intern
from typing import Any

import orjson

from webhook.doctor.fact import ApiObject, CannotTellError, Objects, Unread, known
from webhook.kube.metadata import full_name, metadata, name_of
from webhook.kube.values import items, mapping, text
from webhook.kube_client.api_error import ApiError, CredentialsError
from webhook.kube_client.client import KubeClient
from webhook.kube_client.paging import PAGE_SIZE, pages
from webhook.view.watched_resources import GROUPS_PATH, NODES_PAGE_SIZE

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
# Of containers; no check reads them.
NOT_READ = frozenset({"livenessProbe", "readinessProbe", "startupProbe", "lifecycle", "terminationMessagePath"})
LONGEST_SHARED = 64
MOST_SHARED, LARGEST_SHARED = 10_000, 2048
LOG_SECONDS = 15
LOG_LINES = 200
# Of one pod. A device plugin has three containers at most.
RUNS_AT_MOST = 8


async def read_one(client: KubeClient, path: str, what: str) -> ApiObject | Unread | None:
    """Return one object, None where there is none."""
    try:
        return await client.find(path)
    except ApiError as refused:
        return Unread(why(what, refused))


async def read_needed(client: KubeClient, path: str, what: str) -> ApiObject | Unread:
    """Return what every API server has; where a proxy or another server answers that there is none, it is unknown."""
    found = await read_one(client, path, what)
    return Unread(f"{what} could not be read: the API server has no {path}") if found is None else found


async def read_groups(client: KubeClient) -> frozenset[str] | Unread:
    """Return the names of the API groups."""
    found = await read_needed(client, GROUPS_PATH, "API groups")
    if isinstance(found, Unread):
        return found
    return frozenset(text(group.get("name")) for group in items(found.get("groups")))


async def read_list(
    client: KubeClient,
    path: str,
    query: Mapping[str, str] | None = None,
    *,
    wanted: Callable[[ApiObject], bool] = lambda _: True,
) -> Objects | Unread:
    """List objects, and keep of each page only what is wanted; an API that is absent has no objects."""
    page_size = NODES_PAGE_SIZE if path.endswith("/nodes") else PAGE_SIZE
    try:
        share = _Sharing().item
        listed = _listed(client, path, query or {}, page_size)
        return tuple([share(_slim(item)) async for item in listed if wanted(item)])
    except ApiError as refused:
        what = path.rpartition("/")[2]
        return () if refused.is_absent else Unread(why(what, refused))


async def read_everywhere(
    client: KubeClient, path: str, namespaces: Iterable[str], wanted: Callable[[ApiObject], bool]
) -> Objects | Unread:
    """List in all namespaces, else in some of them; unknown where not even those may be listed."""
    found = await read_list(client, path.format(""), wanted=wanted)
    if not isinstance(found, Unread):
        return found
    parts = [await read_list(client, path.format(f"namespaces/{name}/"), wanted=wanted) for name in namespaces]
    try:
        return tuple(item for part in parts for item in known(part))
    except CannotTellError as error:
        return Unread(str(error))


async def read_logs(client: KubeClient, pods: Objects | Unread, container: str) -> Mapping[str, str | Unread] | Unread:
    """Return the last lines of one container of pods, by ``namespace/name``."""
    if isinstance(pods, Unread):
        return pods
    logs = await asyncio.gather(*(_log(client, pod, container) for pod in pods))
    return dict(zip(map(full_name, pods), logs, strict=True))


async def read_plugin_logs(client: KubeClient, pods: Objects | Unread) -> Mapping[str, str | Unread] | Unread:
    """Return the last lines of all containers of pods, by ``namespace/name``; of restarted ones the run before too."""
    if isinstance(pods, Unread):
        return pods
    logs = await asyncio.gather(*(_logs(client, pod) for pod in pods))
    return dict(zip(map(full_name, pods), logs, strict=True))


async def _logs(client: KubeClient, pod: ApiObject) -> str | Unread:
    runs = list(_runs(pod))[:RUNS_AT_MOST]
    found = await asyncio.gather(*(_log(client, pod, name, previous=previous) for name, previous in runs))
    told = [part for part in found if not isinstance(part, Unread)]
    unread = [part for part in found if isinstance(part, Unread)]
    return (
        unread[0]
        if unread and not any(told)
        else "".join(part if part.endswith("\n") else f"{part}\n" for part in told if part)
    )


def _runs(pod: ApiObject) -> Iterator[tuple[str, bool]]:
    """Yield the runs of a pod's containers: the name, and whether it is the run before; init containers first."""
    spec, status = mapping(pod.get("spec")), mapping(pod.get("status"))
    for field, state in (("initContainers", "initContainerStatuses"), ("containers", "containerStatuses")):
        restarted = {text(item.get("name")) for item in items(status.get(state)) if item.get("restartCount")}
        for container in items(spec.get(field)):
            name = text(container.get("name"))
            yield from ((name, previous) for previous in ((True, False) if name in restarted else (False,)))


def is_ready(pod: ApiObject) -> bool:
    """Say whether a pod is Ready."""
    conditions = items(mapping(pod.get("status")).get("conditions"))
    return any(item.get("type") == "Ready" and item.get("status") == "True" for item in conditions)


async def _log(client: KubeClient, pod: ApiObject, container: str, *, previous: bool = False) -> str | Unread:
    place = f"/api/v1/namespaces/{text(metadata(pod).get('namespace'))}/pods/{name_of(pod)}/log"
    query = f"container={container}&tailLines={LOG_LINES}" + ("&previous=true" if previous else "")
    try:
        return await client.text(f"{place}?{query}", timeout_seconds=LOG_SECONDS)
    except ApiError as error:
        # A container that has not started has no log yet.
        return "" if error.is_bad_request or error.is_absent else Unread(why("logs", error))
    except CredentialsError:
        raise
    except OSError as error:
        # The API server has to ask the kubelet, which may be away although everything else works.
        return Unread(f"the log of {name_of(pod)}: {str(error) or 'no answer'}")


async def _listed(client: KubeClient, path: str, query: Mapping[str, str], page_size: int) -> AsyncIterator[ApiObject]:
    async for page in pages(client, path, query, page_size):
        for item in page.items:
            yield item


def why(what: str, error: ApiError) -> str:
    """Return why something could not be read."""
    return f"no right to read {what}" if error.is_forbidden else f"{what} could not be read: {error}"


def _slim(item: ApiObject) -> ApiObject:
    """Drop large parts that no check reads, and share equal texts: they would take most of the memory."""
    status = {key: value for key, value in mapping(item.get("status")).items() if key != "images"}
    about = dict(metadata(item))
    # The managed fields of a namespace show since when it has its label.
    if item.get("kind") != "Namespace":
        about.pop("managedFields", None)
    if "annotations" in about:
        about["annotations"] = {key: text for key, text in mapping(about["annotations"]).items() if key != LAST_APPLIED}
    return {**item, "metadata": about, "status": status}


@dataclass(slots=True)
class _Sharing:
    """Makes equal parts of objects one object: replicas of one workload are alike, and so are nodes of one pool."""

    known: dict[bytes, Any] = dataclass_field(default_factory=dict)

    def item(self, item: ApiObject) -> ApiObject:
        """Return an object that shares its parts with those before it. Do not change it."""
        return {key: self._fields(value) for key, value in item.items()}

    def _fields(self, value: Any) -> Any:  # noqa: ANN401 - any JSON
        return {key: self._part(part) for key, part in value.items()} if isinstance(value, dict) else value

    def _part(self, value: Any) -> Any:  # noqa: ANN401 - any JSON
        if not isinstance(value, dict | list):
            return intern(value) if type(value) is str and len(value) <= LONGEST_SHARED else value
        key = orjson.dumps(value)
        if len(key) > LARGEST_SHARED:
            return [self._part(part) for part in value] if isinstance(value, list) else _interned(value)
        if key in self.known or len(self.known) >= MOST_SHARED:
            return self.known.get(key, value)
        return self.known.setdefault(key, value)


def _interned(value: Mapping[str, Any]) -> dict[str, Any]:
    return {key: intern(part) if type(part) is str else part for key, part in value.items() if key not in NOT_READ}
