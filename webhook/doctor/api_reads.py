"""Single questions to the API server: an object, a list, the logs of pods. What it refuses becomes Unread.

Each raises ``OSError`` when no answer came.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping

from webhook.cluster.api import ApiServer
from webhook.cluster.listing import NOT_FOUND, PAGE_SIZE, RefusedError, get, pages
from webhook.doctor.cluster_facts import ApiObject, CannotTellError, Objects, Unread, known
from webhook.kube.metadata import full_name, metadata, name_of
from webhook.kube.values import mapping, text
from webhook.view.live_view import NODES_PAGE_SIZE
from webhook.view.snapshot import FORBIDDEN

LOG_SECONDS = 15
LOG_LINES = 200
# What a container says that has not started: there is no log yet.
BAD_REQUEST = 400


async def read_one(api: ApiServer, path: str, what: str) -> ApiObject | Unread | None:
    """Return one object, None where there is none."""
    try:
        return await get(api, path)
    except RefusedError as refused:
        return Unread(why(what, refused.status, str(refused)))


async def read_list(
    api: ApiServer,
    path: str,
    query: Mapping[str, str] | None = None,
    *,
    wanted: Callable[[ApiObject], bool] = lambda _: True,
) -> Objects | Unread:
    """List objects, and keep of each page only what is wanted; an API that is absent has no objects."""
    page_size = NODES_PAGE_SIZE if path.endswith("/nodes") else PAGE_SIZE
    try:
        return tuple([_slim(item) async for item in _listed(api, path, query or {}, page_size) if wanted(item)])
    except RefusedError as refused:
        what = path.rpartition("/")[2]
        return () if refused.status == NOT_FOUND else Unread(why(what, refused.status, str(refused)))


async def read_everywhere(
    api: ApiServer, path: str, namespaces: Iterable[str], wanted: Callable[[ApiObject], bool]
) -> Objects | Unread:
    """List in all namespaces, else in some of them; unknown where not even those may be listed."""
    found = await read_list(api, path.format(""), wanted=wanted)
    if not isinstance(found, Unread):
        return found
    parts = [await read_list(api, path.format(f"namespaces/{name}/"), wanted=wanted) for name in namespaces]
    try:
        return tuple(item for part in parts for item in known(part))
    except CannotTellError as error:
        return Unread(str(error))


async def read_logs(
    api: ApiServer, pods: Objects | Unread, container: Callable[[ApiObject], str]
) -> Mapping[str, str | Unread] | Unread:
    """Return the last lines of pods by ``namespace/name``; ``container`` says whose of a pod."""
    if isinstance(pods, Unread):
        return pods
    logs = await asyncio.gather(*(_log(api, pod, container(pod)) for pod in pods))
    return dict(zip(map(full_name, pods), logs, strict=True))


async def _log(api: ApiServer, pod: ApiObject, container: str) -> str | Unread:
    place = f"/api/v1/namespaces/{text(metadata(pod).get('namespace'))}/pods/{name_of(pod)}/log"
    try:
        status, said = await api.text(
            f"{place}?container={container}&tailLines={LOG_LINES}", timeout_seconds=LOG_SECONDS
        )
    except OSError as error:
        # The API server has to ask the kubelet, which may be away while all else is well.
        return Unread(f"the log of {name_of(pod)}: {str(error) or 'no answer'}")
    if status in (BAD_REQUEST, NOT_FOUND):
        return ""
    return said if status == 200 else Unread(why("logs", status, f"{status}"))  # noqa: PLR2004  OK


async def _listed(api: ApiServer, path: str, query: Mapping[str, str], page_size: int) -> AsyncIterator[ApiObject]:
    async for page in pages(api, path, query, page_size):
        for item in page.items:
            yield item


def why(what: str, status: int, said: str) -> str:
    """Return why something is unread: it was refused with a status, and with these words."""
    return f"no right to read {what}" if status == FORBIDDEN else f"{what} could not be read: {said}"


def _slim(item: ApiObject) -> ApiObject:
    """Drop what is large and nobody reads: in a large cluster it would be most of the memory."""
    status = {key: value for key, value in mapping(item.get("status")).items() if key != "images"}
    about = dict(metadata(item))
    # Those of a namespace tell since when it has its label.
    if item.get("kind") != "Namespace":
        about.pop("managedFields", None)
    return {**item, "metadata": about, "status": status}
