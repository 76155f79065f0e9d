"""Objects of the API server as they are at one moment: listed once, a page at a time."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlencode

from webhook.kube.metadata import metadata
from webhook.kube.values import EMPTY, elements, mapping, text

PAGE_SIZE = 500
LIST_SECONDS = 30
OK, NOT_FOUND, GONE = 200, 404, 410


class Api(Protocol):
    """What is needed of ``webhook.cluster.api.ApiServer``."""

    async def call(self, method: str, path: str, *, timeout_seconds: float) -> tuple[int, dict[str, Any]]:
        """Return status and JSON object; ``OSError`` when no answer came."""
        ...


class RefusedError(Exception):
    """The API server answered, but not with what was asked for: the HTTP status, and its reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{status} {reason}".rstrip())
        self.status = status


@dataclass(frozen=True, slots=True)
class Page:
    """Some objects of a list, each with its apiVersion and kind, and how many follow (None: not told)."""

    items: list[dict[str, Any]]
    remaining: int | None


async def pages(
    api: Api, path: str, query: Mapping[str, str] = EMPTY, page_size: int = PAGE_SIZE
) -> AsyncGenerator[Page, None]:
    """Yield the pages of a list. Raises RefusedError, and ``OSError`` when no answer came.

    ``path`` is that of the list, such as ``/api/v1/pods``; ``query`` may hold ``labelSelector`` and ``fieldSelector``.
    Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#retrieving-large-results-sets-in-chunks
    """
    token = ""
    while True:
        following = {"continue": token} if token else {}
        status, body = await api.call(
            "GET",
            f"{path}?{urlencode({**query, 'limit': str(page_size), **following})}",
            timeout_seconds=LIST_SECONDS,
        )
        before, token = token, text(metadata(body).get("continue"))
        # A list that took too long goes on with a newer state of the cluster: fine for one look.
        if status == GONE and token:
            continue
        if status != OK:
            raise RefusedError(status, text(body.get("reason")))
        if not text(body.get("kind")).endswith("List") or (token and token == before):
            raise RefusedError(status, "the answer is no list")
        yield Page(_typed(body), metadata(body).get("remainingItemCount"))
        if not token:
            return


async def objects(
    api: Api, path: str, query: Mapping[str, str] = EMPTY, page_size: int = PAGE_SIZE
) -> list[dict[str, Any]]:
    """Return all objects of a list, as ``pages`` yields them."""
    return [item async for page in pages(api, path, query, page_size) for item in page.items]


async def get(api: Api, path: str) -> dict[str, Any] | None:
    """Return one object, None where there is none. Raises RefusedError, and ``OSError`` when no answer came."""
    status, body = await api.call("GET", path, timeout_seconds=LIST_SECONDS)
    if status == NOT_FOUND:
        return None
    if status != OK:
        raise RefusedError(status, text(body.get("reason")))
    return body


def _typed(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a list's items with the apiVersion and kind that the API server leaves out in them."""
    kind = {"apiVersion": body.get("apiVersion"), "kind": text(body.get("kind")).removesuffix("List")}
    return [kind | dict(mapping(item)) for item in elements(body.get("items"))]
