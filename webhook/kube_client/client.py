"""The client of one API server: get, create, replace, patch, delete and watch; lists are in ``paging``.

Every method raises ``ApiError`` for an answer that is not a success, ``UnauthorizedError`` if the API server does not
accept the credentials, and ``OSError`` (also ``TimeoutError`` and ``ConnectionError``) if there is no answer.
"""

import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from types import TracebackType
from typing import Any, Self

from webhook.kube_client.answer import Answer, error_of
from webhook.kube_client.api_error import ApiError
from webhook.kube_client.credentials import CredentialsLoader
from webhook.kube_client.session import Session

Json = dict[str, Any]
JSON = "application/json"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
CALL_SECONDS = 10


class KubeClient:
    """Requests to one API server over one connection pool; enter it in the event loop that uses it.

    Each ``path`` starts with ``/`` and contains the query, encoded.
    """

    def __init__(self, loader: CredentialsLoader, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._session = Session(loader, monotonic)

    async def __aenter__(self) -> Self:
        """Read the credentials and open the pool. Raises CredentialsError where there are none."""
        await self._session.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    def configuration(self) -> Any:  # noqa: ANN401 - kubernetes.client.Configuration, which has no types
        """Return a configuration with the same credentials for the ``kubernetes`` package's own clients."""
        return self._session.configuration()

    async def exchange(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        content_type: str = JSON,
        timeout_seconds: float = CALL_SECONDS,
    ) -> Answer:
        """Send one request and return the answer, whatever its status. ``read`` and ``watch`` do not use it."""
        return await self._session.exchange(
            method, path, body=body, content_type=content_type, timeout_seconds=timeout_seconds
        )

    async def read(self, path: str, *, timeout_seconds: float, most_bytes: int) -> Answer:
        """Send a GET; of an answer that is longer than so many bytes, read the beginning alone."""
        return await self._session.exchange("GET", path, timeout_seconds=timeout_seconds, most_bytes=most_bytes)

    async def get(self, path: str, *, timeout_seconds: float = CALL_SECONDS) -> Json:
        """Return one object, or one page of a list."""
        return await self._call("GET", path, timeout_seconds=timeout_seconds)

    async def find(self, path: str, *, timeout_seconds: float = CALL_SECONDS) -> Json | None:
        """Return one object, None where there is none."""
        try:
            return await self.get(path, timeout_seconds=timeout_seconds)
        except ApiError as error:
            if error.is_absent:
                return None
            raise

    async def text(self, path: str, *, timeout_seconds: float = CALL_SECONDS) -> str:
        """Return a text, such as a log."""
        answer = await self.exchange("GET", path, timeout_seconds=timeout_seconds)
        answer.check()
        return answer.body.decode(errors="replace")

    async def create(self, path: str, item: Mapping[str, Any], *, timeout_seconds: float = CALL_SECONDS) -> Json:
        """Create an object in the collection at a path, or a subresource such as an eviction; return the answer."""
        return await self._call("POST", path, body=item, timeout_seconds=timeout_seconds)

    async def try_create(
        self, path: str, item: Mapping[str, Any], *, timeout_seconds: float
    ) -> tuple[Json, tuple[str, ...]]:
        """Return the object as it would be created, and the warnings of the API server; nothing is stored.

        Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#dry-run
        """
        answer = await self.exchange("POST", f"{path}?dryRun=All", body=item, timeout_seconds=timeout_seconds)
        return answer.item(), answer.warnings

    async def replace(self, path: str, item: Mapping[str, Any], *, timeout_seconds: float = CALL_SECONDS) -> Json:
        """Replace an object, if its resourceVersion is still the one in ``item``; return it as stored."""
        return await self._call("PUT", path, body=item, timeout_seconds=timeout_seconds)

    async def patch(
        self, path: str, patch: Mapping[str, Any] | list[Json], *, timeout_seconds: float = CALL_SECONDS
    ) -> Json:
        """Patch an object: a list is a JSON Patch (RFC 6902), a mapping a merge patch (RFC 7396)."""
        content_type = JSON_PATCH if isinstance(patch, list) else MERGE_PATCH
        return await self._call("PATCH", path, body=patch, content_type=content_type, timeout_seconds=timeout_seconds)

    async def delete(self, path: str, *, timeout_seconds: float = CALL_SECONDS) -> None:
        """Delete an object."""
        await self._call("DELETE", path, timeout_seconds=timeout_seconds)

    async def watch(self, path: str, *, read_timeout_seconds: float) -> AsyncGenerator[Json, None]:
        """Yield the events of a watch until the API server ends it.

        An event that is too large has the type ``TOO_LARGE``, and its object only a name and a revision. A failure
        within the watch (an event ERROR) is an ApiError, too. Silence for longer than the read timeout is a
        ``TimeoutError``; a request without headers in time, or a line that is no event, a ``ConnectionError``.
        """
        async with aclosing(self._session.stream(path, read_timeout_seconds=read_timeout_seconds)) as events:
            async for event in events:
                if event["type"] == "ERROR":
                    status = event["object"]
                    raise error_of(f"WATCH {path.partition('?')[0]}", status.get("code"), status)
                yield event

    async def _call(self, method: str, path: str, **options: Any) -> Json:  # noqa: ANN401 - those of ``exchange``
        return (await self.exchange(method, path, **options)).item()
