"""The API server: one shared aiohttp session with credentials that are followed when they change.

Every method raises ``OSError`` (``TimeoutError`` and ``ConnectionError`` are its kinds) when no answer came.
An HTTP status is an answer, whatever it says.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

import aiohttp
import orjson
from yarl import URL

from webhook.cluster.credentials import Credentials, CredentialsError, CredentialsLoader

# Rotated tokens stay valid for minutes; kubernetes' own loader looks at the file as often.
RENEW_SECONDS = 60
# The API server closes idle connections after 90 s; a live look must find one that is still open.
KEEP_ALIVE_SECONDS = 75
HEADERS_SECONDS = 10
# etcd refuses objects above 1.5 MiB by default; a line that never ends must not eat the memory.
MAX_LINE_BYTES = 8 * 2**20
UNAUTHORIZED = 401


class ApiServer:
    """Requests and watches of one API server over one connection pool; to be entered in the loop that uses it."""

    def __init__(self, loader: CredentialsLoader, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._loader = loader
        self._clock = clock
        # One thread: an exec plugin that hangs must not use up the threads that resolve names.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="credentials")
        self._reading: asyncio.Task[None] | None = None
        self._failure: CredentialsError | None = None

    async def __aenter__(self) -> Self:
        """Read the credentials and open the pool; ``CredentialsError`` where there are none."""
        self._credentials = await asyncio.get_running_loop().run_in_executor(self._thread, self._loader.load)
        self._renewed_at = self._clock()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            # Compression would cost both sides more than the local network gains.
            headers={"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "gpu-injector"},
            timeout=aiohttp.ClientTimeout(total=None),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._reading:
            self._reading.cancel()
        await self._session.close()
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def call(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        content_type: str = "application/json",
        timeout_seconds: float = 10,
    ) -> tuple[int, dict[str, Any]]:
        """Return status and JSON object of one request (an empty one where the body is no JSON object).

        ``path`` starts with ``/`` and holds the query, encoded; ``body`` is JSON-serialisable, or None for no body.
        """
        headers = {"Content-Type": content_type} if body is not None else {}
        data = orjson.dumps(body) if body is not None else None
        with _os_errors():
            async with asyncio.timeout(timeout_seconds):
                async with await self._open(method, path, headers=headers, data=data) as response:
                    return response.status, _json_object(await response.read())

    async def post(
        self, path: str, body: object, *, timeout_seconds: float
    ) -> tuple[int, dict[str, Any], tuple[str, ...]]:
        """Return what ``call`` does of a POST, and the warnings that the API server sends with its answer.

        Source: https://kubernetes.io/blog/2020/09/03/warnings/
        """
        headers = {"Content-Type": "application/json"}
        with _os_errors():
            async with asyncio.timeout(timeout_seconds):
                async with await self._open("POST", path, headers=headers, data=orjson.dumps(body)) as response:
                    said = tuple(response.headers.getall("Warning", ()))
                    return response.status, _json_object(await response.read()), said

    async def text(self, path: str, *, timeout_seconds: float = 10) -> tuple[int, str]:
        """Return status and body of a GET whose answer is text, such as a log."""
        with _os_errors():
            async with asyncio.timeout(timeout_seconds):
                async with await self._open("GET", path, headers={"Accept": "application/json, */*"}) as response:
                    return response.status, (await response.read()).decode(errors="replace")

    async def watch(self, path: str, *, read_timeout_seconds: float) -> AsyncGenerator[dict[str, Any], None]:
        """Yield the events of a watch as the API server writes them, until it ends the watch.

        An HTTP status other than 200 becomes an ERROR event with that ``code``, as a failure within a watch comes.
        Silence for longer than the read timeout is a ``TimeoutError``; a request that is not taken up in time, or a
        line that is no event, a ``ConnectionError``.
        """
        timeout = aiohttp.ClientTimeout(total=None, sock_read=read_timeout_seconds)
        with _os_errors():
            try:
                async with asyncio.timeout(HEADERS_SECONDS):
                    response = await self._open("GET", path, timeout=timeout)
            except TimeoutError as error:
                raise ConnectionError("it was not taken up in time") from error
            async with response:
                if response.status != 200:  # noqa: PLR2004 - OK
                    yield {"type": "ERROR", "object": await _refusal(response)}
                    return
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
        headers = dict(options.pop("headers", {}))
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
        """Look for changed credentials now and then; the request that is under way does not wait for it."""
        if self._clock() - self._renewed_at >= RENEW_SECONDS:
            self._read(self._loader.renew)

    async def _fresher_than(self, used: Credentials) -> Credentials:
        """Return the credentials that another request has found meanwhile, else read them anew."""
        if self._credentials == used:
            # Whoever is in a hurry may leave; what is read still serves the next request.
            await asyncio.shield(self._read(self._loader.load))
            if self._failure:
                raise self._failure
        return self._credentials

    def _read(self, read: Callable[[], Credentials]) -> asyncio.Task[None]:
        """Start reading in the thread, unless that is under way."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._take(read))
        return self._reading

    async def _take(self, read: Callable[[], Credentials]) -> None:
        self._renewed_at, self._failure = self._clock(), None
        try:
            self._credentials = await asyncio.get_running_loop().run_in_executor(self._thread, read)
        except CredentialsError as error:
            # No news while the old ones are good; when they are not, the 401 tells why none could be read.
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


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    # Not aiohttp's readline: it refuses lines above 128 KiB, which a Node with many images reaches.
    rest = b""
    async for chunk in content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line.strip():
                yield line
        if len(rest) > MAX_LINE_BYTES:
            raise ConnectionError("a line without end")


async def _refusal(response: aiohttp.ClientResponse) -> dict[str, Any]:
    async with asyncio.timeout(HEADERS_SECONDS):
        return _json_object(await response.read()) | {"code": response.status}


def _event(line: bytes) -> dict[str, Any]:
    event = _json_object(line)
    if not isinstance(event.get("object"), dict) or not isinstance(event.get("type"), str):
        raise ConnectionError("a line that is no event")
    return event


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}
