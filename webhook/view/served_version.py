"""The version in which an API server serves a kind: tried from the newest, and tried again with each new list."""

from collections.abc import AsyncGenerator
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

from webhook.cluster.watch import NOT_FOUND, Api
from webhook.view.projections import Kind


class Call(Protocol):
    """The ``call`` of an API."""

    async def __call__(self, method: str, path: str, *, timeout_seconds: float) -> tuple[int, dict[str, Any]]:
        """Return status and JSON object; ``OSError`` when no answer came."""
        ...


class ServedVersion:
    """An API in which the path of one kind's list means every version of it.

    Requests name the newest version. What the API server does not know is tried in the older versions; further pages
    of a list use the version that was found.
    """

    def __init__(self, call: Call, kind: Kind) -> None:
        self._call = call
        group, newest, plural = kind.path.rsplit("/", 2)
        self._roots = [f"{group}/{version}/{plural}" for version in (newest, *kind.older_versions)]
        self._served = self._roots[0]

    async def call(self, method: str, path: str, *, timeout_seconds: float) -> tuple[int, dict[str, Any]]:
        """Send a request in the version that is served."""
        if "continue" in parse_qs(urlsplit(path).query):
            return await self._call(method, self.served(path), timeout_seconds=timeout_seconds)
        for root in self._roots:
            self._served = root
            status, body = await self._call(method, self.served(path), timeout_seconds=timeout_seconds)
            if status != NOT_FOUND:
                return status, body
        return NOT_FOUND, {}

    def served(self, path: str) -> str:
        """Return a path in the version that was found last."""
        return self._served + path.removeprefix(self._roots[0])


class WatchedVersion(ServedVersion):
    """The same with watches, which use the version in which the list was found."""

    def __init__(self, api: Api, kind: Kind) -> None:
        super().__init__(api.call, kind)
        self._watch = api.watch

    def watch(self, path: str, *, read_timeout_seconds: float) -> AsyncGenerator[dict[str, Any], None]:
        """Watch in the version that was found last."""
        return self._watch(self.served(path), read_timeout_seconds=read_timeout_seconds)
