"""The connection to one API server: a shared aiohttp session whose credentials are read again when they change.

Every method raises ``OSError`` (``TimeoutError`` and ``ConnectionError`` are its kinds) when no answer came.
An HTTP status is an answer, whatever it says; ``client`` turns it into an error.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import aiohttp
import orjson
from multidict import CIMultiDict
from yarl import URL

from webhook.kube_client.answer import UNAUTHORIZED, Answer, json_object
from webhook.kube_client.api_error import ApiError, CredentialsError
from webhook.kube_client.credentials import Credentials, CredentialsLoader
from webhook.kube_client.large_answers import event_without_content, is_too_large

# Rotated tokens stay valid for minutes; kubernetes' own loader looks at the file as often.
RENEW_SECONDS = 60
# The API server closes idle connections after 90 s; a live GET must find one that is still open.
KEEP_ALIVE_SECONDS = 75
HEADERS_SECONDS = 10
# etcd rejects objects above 1.5 MiB by default; a line that never ends must not fill the memory.
MAX_LINE_BYTES = 8 * 2**20
OK = 200


class Session:
    """Requests and streams over one connection pool; to be opened and closed in the loop that uses it."""

    def __init__(self, loader: CredentialsLoader, monotonic: Callable[[], float]) -> None:
        self._loader = loader
        self._monotonic = monotonic
        # One thread: an exec plugin that hangs must not block all threads that resolve names.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="credentials")
        self._reading: asyncio.Task[None] | None = None
        self._failure: CredentialsError | None = None

    async def open(self) -> None:
        """Read the credentials and open the pool. Raises CredentialsError where there are none."""
        self._credentials = await asyncio.get_running_loop().run_in_executor(self._thread, self._loader.load)
        self._renewed_at = self._monotonic()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            # Compression would cost both sides more than the local network gains.
            headers={"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "gpu-injector"},
            timeout=aiohttp.ClientTimeout(total=None),
        )

    async def close(self) -> None:
        """Close the pool; requests and streams that still run fail."""
        if self._reading:
            self._reading.cancel()
        await self._session.close()
        self._thread.shutdown(wait=False, cancel_futures=True)

    def configuration(self) -> Any:  # noqa: ANN401 - kubernetes.client.Configuration, which has no types
        """Return a configuration with the same credentials for the ``kubernetes`` package's own clients."""
        return self._loader.configuration()

    async def exchange(  # noqa: PLR0913 - what one request needs
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        content_type: str = "",
        timeout_seconds: float,
        most_bytes: int = 0,
    ) -> Answer:
        """Send one request. ``path`` contains the query, encoded; ``body`` is JSON-serialisable, or None for none.

        Of an answer that is longer than ``most_bytes`` only the beginning is read; 0 is no limit.
        Warnings: https://kubernetes.io/blog/2020/09/03/warnings/
        """
        headers = {"Content-Type": content_type} if body is not None else {}
        data = orjson.dumps(body) if body is not None else None
        with _os_errors():
            async with asyncio.timeout(timeout_seconds):
                async with await self._open(method, path, headers=headers, data=data) as response:
                    warnings = tuple(response.headers.getall("Warning", ()))
                    received, is_cut = await _received(response.content, most_bytes)
                    return Answer(_request(method, path), response.status, received, warnings, is_cut)

    async def stream(self, path: str, *, read_timeout_seconds: float) -> AsyncGenerator[dict[str, Any], None]:
        """Yield the events of a watch as the API server writes them, until it ends the watch.

        Raises what ``Answer.check`` raises where the watch is refused.
        """
        timeout = aiohttp.ClientTimeout(total=None, sock_read=read_timeout_seconds)
        with _os_errors():
            try:
                async with asyncio.timeout(HEADERS_SECONDS):
                    response = await self._open("GET", path, timeout=timeout)
            except TimeoutError as error:
                raise ConnectionError("the API server sent no headers in time") from error
            async with response:
                if response.status != OK:
                    async with asyncio.timeout(HEADERS_SECONDS):
                        Answer(_request("WATCH", path), response.status, await response.read()).check()
                async for line in _lines(response.content):
                    yield _event(line)

    async def _open(self, method: str, path: str, **options: Any) -> aiohttp.ClientResponse:  # noqa: ANN401 - aiohttp's
        if self._session.closed:
            raise ConnectionError("the session is closed")
        used = self._credentials
        self._follow_rotation()
        response = await self._send(used, method, path, **options)
        if response.status != UNAUTHORIZED:
            return response
        fresh = await self._fresher_than(used)
        if fresh == used:
            return response
        response.release()
        return await self._send(fresh, method, path, **options)

    async def _send(self, credentials: Credentials, method: str, path: str, **options: Any) -> aiohttp.ClientResponse:  # noqa: ANN401 - aiohttp's
        headers = CIMultiDict(options.pop("headers", {}))
        for name, value in self._loader.impersonation:
            headers.add(name, value)
        if credentials.authorization:
            headers["Authorization"] = credentials.authorization
        return await self._session.request(
            method,
            URL(credentials.server + path, encoded=True),
            headers=headers,
            ssl=credentials.tls or True,
            server_hostname=credentials.tls_server_name,
            proxy=credentials.proxy,
            allow_redirects=False,
            **options,
        )

    def _follow_rotation(self) -> None:
        """Check periodically for changed credentials; the current request does not wait for it."""
        if self._monotonic() - self._renewed_at >= RENEW_SECONDS:
            self._read(self._loader.renew)

    async def _fresher_than(self, used: Credentials) -> Credentials:
        """Return the credentials that another request has read meanwhile, else read them again."""
        if self._credentials == used:
            # A request may end before that; what is read still serves the next one.
            await asyncio.shield(self._read(self._loader.load))
            if self._failure:
                raise self._failure
        return self._credentials

    def _read(self, read: Callable[[], Credentials]) -> asyncio.Task[None]:
        """Start reading in the thread, unless a read is running."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._take(read))
        return self._reading

    async def _take(self, read: Callable[[], Credentials]) -> None:
        self._renewed_at, self._failure = self._monotonic(), None
        try:
            self._credentials = await asyncio.get_running_loop().run_in_executor(self._thread, read)
        except CredentialsError as error:
            # The old ones may still be good. If they are not, the next 401 raises this error.
            self._failure = error


@contextmanager
def _os_errors() -> Iterator[None]:
    """Turn the client's errors that are no ``OSError`` into ``ConnectionError``."""
    try:
        yield
    except OSError:
        raise
    except (aiohttp.ClientError, RuntimeError) as error:  # a RuntimeError: the session was closed meanwhile
        raise ConnectionError(f"{type(error).__name__}: {error}") from error


async def _received(content: aiohttp.StreamReader, most_bytes: int) -> tuple[bytes, bool]:
    """Return a body, and whether it is cut."""
    received = bytearray()
    async for chunk in content.iter_any():
        received += chunk
        if most_bytes and len(received) > most_bytes:
            # The connection is closed: what is still on its way is not for the next request.
            return bytes(received), True
    return bytes(received), False


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    # Not aiohttp's readline: it rejects lines above 128 KiB, which a Node with many images reaches.
    # A long line arrives in many chunks; joining them after each chunk would copy the line each time.
    rest = bytearray()
    async for chunk in content.iter_any():
        first, *others = chunk.split(b"\n")
        rest += first
        for following in others:
            if rest.strip():
                yield bytes(rest)
            rest = bytearray(following)
        if len(rest) > MAX_LINE_BYTES:
            raise ConnectionError("a line without end")


def _event(line: bytes) -> dict[str, Any]:
    if is_too_large(line):
        if event := event_without_content(line):
            return event
        # Only a list shows which object it was; another watch would only send it again.
        raise ApiError(reason="an event is too large")
    event = json_object(line) or {}
    if not isinstance(event.get("object"), dict) or not isinstance(event.get("type"), str):
        raise ConnectionError("a line that is no event")
    return event


def _request(method: str, path: str) -> str:
    return f"{method} {path.partition('?')[0]}"
