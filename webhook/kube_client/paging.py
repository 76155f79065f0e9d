"""Objects of the API server as they are at one moment: listed once, a page at a time."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from webhook.kube.metadata import metadata
from webhook.kube.values import EMPTY, elements, mapping, text
from webhook.kube_client.api_error import ApiError
from webhook.kube_client.client import KubeClient

PAGE_SIZE = 500
LIST_SECONDS = 30
NO_LIST = "the answer is no list"


@dataclass(frozen=True, slots=True)
class Page:
    """Some objects of a list, each with its apiVersion and kind, and how many follow (None: unknown)."""

    items: list[dict[str, Any]]
    remaining: int | None


async def pages(
    client: KubeClient, path: str, query: Mapping[str, str] = EMPTY, page_size: int = PAGE_SIZE
) -> AsyncGenerator[Page, None]:
    """Yield the pages of a list. Raises ApiError, and ``OSError`` when no answer came.

    ``path`` is that of the list, such as ``/api/v1/pods``; ``query`` may hold ``labelSelector`` and ``fieldSelector``.
    Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#retrieving-large-results-sets-in-chunks
    """
    token = ""
    while True:
        following = {"continue": token} if token else {}
        place = f"{path}?{urlencode({**query, 'limit': str(page_size), **following})}"
        answer = await client.exchange("GET", place, timeout_seconds=LIST_SECONDS)
        before, token = token, text(metadata(answer.json or {}).get("continue"))
        # A list that took too long continues with a newer state of the cluster: fine for one look.
        if answer.is_expired and token:
            continue
        body = answer.item()
        if not text(body.get("kind")).endswith("List") or (token and token == before):
            raise ApiError(answer.status, NO_LIST, request=answer.request)
        remaining = metadata(body).get("remainingItemCount")
        yield Page(_typed(body), remaining if isinstance(remaining, int) else None)
        if not token:
            return


async def objects(
    client: KubeClient, path: str, query: Mapping[str, str] = EMPTY, page_size: int = PAGE_SIZE
) -> list[dict[str, Any]]:
    """Return all objects of a list, as ``pages`` yields them."""
    return [item async for page in pages(client, path, query, page_size) for item in page.items]


def _typed(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a list's items with the apiVersion and kind that the API server leaves out in them."""
    kind = {"apiVersion": body.get("apiVersion"), "kind": text(body.get("kind")).removesuffix("List")}
    return [kind | dict(mapping(item)) for item in elements(body.get("items"))]
