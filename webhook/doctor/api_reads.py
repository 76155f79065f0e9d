"""Single reads of the API server: an object, a list, the logs of pods. What it refuses becomes Unread.

Each raises UnauthorizedError, and ``OSError`` when no answer came.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping

from webhook.doctor.cluster_facts import ApiObject, CannotTellError, Objects, Unread, known
from webhook.kube.metadata import full_name, metadata, name_of
from webhook.kube.values import mapping, text
from webhook.kube_client.api_error import ApiError, CredentialsError
from webhook.kube_client.client import KubeClient
from webhook.kube_client.paging import PAGE_SIZE, pages
from webhook.view.live_view import NODES_PAGE_SIZE

LOG_SECONDS = 15
LOG_LINES = 200


async def read_one(client: KubeClient, path: str, what: str) -> ApiObject | Unread | None:
    """Return one object, None where there is none."""
    try:
        return await client.find(path)
    except ApiError as refused:
        return Unread(why(what, refused))


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
        return tuple([_slim(item) async for item in _listed(client, path, query or {}, page_size) if wanted(item)])
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


async def read_logs(
    client: KubeClient, pods: Objects | Unread, container: Callable[[ApiObject], str]
) -> Mapping[str, str | Unread] | Unread:
    """Return the last lines of pods by ``namespace/name``; ``container`` says whose of a pod."""
    if isinstance(pods, Unread):
        return pods
    logs = await asyncio.gather(*(_log(client, pod, container(pod)) for pod in pods))
    return dict(zip(map(full_name, pods), logs, strict=True))


async def _log(client: KubeClient, pod: ApiObject, container: str) -> str | Unread:
    place = f"/api/v1/namespaces/{text(metadata(pod).get('namespace'))}/pods/{name_of(pod)}/log"
    try:
        return await client.text(f"{place}?container={container}&tailLines={LOG_LINES}", timeout_seconds=LOG_SECONDS)
    except ApiError as error:
        # A container that has not started has no log yet.
        return "" if error.is_bad_request or error.is_absent else Unread(why("logs", error))
    except CredentialsError:
        raise
    except OSError as error:
        # The API server has to ask the kubelet, which may be away while all else is well.
        return Unread(f"the log of {name_of(pod)}: {str(error) or 'no answer'}")


async def _listed(client: KubeClient, path: str, query: Mapping[str, str], page_size: int) -> AsyncIterator[ApiObject]:
    async for page in pages(client, path, query, page_size):
        for item in page.items:
            yield item


def why(what: str, error: ApiError) -> str:
    """Return why something could not be read."""
    return f"no right to read {what}" if error.is_forbidden else f"{what} could not be read: {error}"


def _slim(item: ApiObject) -> ApiObject:
    """Drop what is large and nobody reads: in a large cluster it would be most of the memory."""
    status = {key: value for key, value in mapping(item.get("status")).items() if key != "images"}
    about = dict(metadata(item))
    # Those of a namespace tell since when it has its label.
    if item.get("kind") != "Namespace":
        about.pop("managedFields", None)
    return {**item, "metadata": about, "status": status}
