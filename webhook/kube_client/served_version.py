"""The version in which an API server serves a kind: tried from the newest, and tried again with each new list."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlsplit

from webhook.kube_client.answer import Answer
from webhook.kube_client.client import KubeClient
from webhook.kube_client.resource import WatchedKind
from webhook.kube_client.wrapped_client import ForwardingClient


def client_for(client: KubeClient, kind: WatchedKind) -> KubeClient:
    """Return the client for a kind: the same one, or one that tries the older versions of the kind too."""
    return ServedVersion(client, kind) if kind.older_versions else client


class ServedVersion(ForwardingClient):
    """A client for which the path of one kind's list means every version of it.

    Requests name the newest version. What the API server does not know is tried in the older versions. Further pages
    of a list, and watches, use the version that was found.
    """

    def __init__(self, client: KubeClient, kind: WatchedKind) -> None:
        super().__init__(client)
        group, newest, plural = kind.path.rsplit("/", 2)
        self._roots = [f"{group}/{version}/{plural}" for version in (newest, *kind.older_versions)]
        self._served = self._roots[0]

    async def forward(self, method: str, path: str, options: dict[str, Any]) -> Answer:
        """Send a request in the version that is served."""
        return await self._sent(path, partial(self._send, method, options))

    async def read(self, path: str, *, timeout_seconds: float, most_bytes: int) -> Answer:
        """Send a GET in the version that is served."""
        return await self._sent(path, partial(super().read, timeout_seconds=timeout_seconds, most_bytes=most_bytes))

    async def _send(self, method: str, options: dict[str, Any], path: str) -> Answer:
        return await super().forward(method, path, options)

    async def _sent(self, path: str, send: Callable[[str], Awaitable[Answer]]) -> Answer:
        if "continue" in parse_qs(urlsplit(path).query):
            return await send(self._path(path))
        for root in self._roots[:-1]:
            self._served = root
            answer = await send(self._path(path))
            if not answer.is_absent:
                return answer
        self._served = self._roots[-1]
        return await send(self._path(path))

    def watch(self, path: str, *, read_timeout_seconds: float) -> AsyncGenerator[dict[str, Any], None]:
        """Watch in the version that was found last."""
        return super().watch(self._path(path), read_timeout_seconds=read_timeout_seconds)

    def _path(self, path: str) -> str:
        return self._served + path.removeprefix(self._roots[0])
