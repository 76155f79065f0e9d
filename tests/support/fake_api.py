"""A fake Kubernetes API server on a loopback socket, for tests: real HTTP, real watches, faults on order.

    async with FakeApi() as api:
        api.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}})
        api.fault("/api/v1/namespaces", status=403)
        ...
        assert api.count(path="/api/v1/namespaces") == 1

Objects and revisions are in ``fake_store``, faults in ``fake_faults``; this file is the HTTP around them. Nothing here
sleeps: a test waits for ``api.watching(path)``, ``api.requested(count, ...)`` or ``fault.struck()``.
"""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson
from aiohttp import web

from support.fake_faults import Fault, Request
from support.fake_forward import forward
from support.fake_store import Address, Change, Json, StatusError, Store, address_of, event_of, parse, status_of


@dataclass(slots=True, eq=False)
class _Watch:
    address: Address
    query: Mapping[str, str]
    lines: asyncio.Queue[bytes | None]
    transport: asyncio.BaseTransport | None


class FakeApi:
    """The server; ``url`` is where it listens once entered. Every ``path`` is a URL path such as ``/api/v1/nodes``.

    ``forwards`` are the ports of loopback to which the pods' ports are forwarded, by the pods' names.
    """

    def __init__(self, *, tls: ssl.SSLContext | None = None, port: int = 0) -> None:
        self.store = Store(on_change=self._publish)
        self.requests: list[Request] = []
        self.url = ""
        self.token: str | None = None
        self.forwards: dict[str, int] = {}
        self._tls = tls
        self._port = port
        self._faults: list[Fault] = []
        self._watches: list[_Watch] = []
        self._moved = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()
        app = web.Application(client_max_size=64 * 2**20)
        app.router.add_route("*", "/{path:.*}", self._handle)
        # Cancellation tells a watch that its client has gone.
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=1)

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port, ssl_context=self._tls)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"{'https' if self._tls else 'http'}://{host}:{port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for fault in self._faults:
            fault.clear()
        self.end_watches()
        await self._runner.cleanup()

    def kubeconfig(self, folder: Path, *, cluster: Mapping[str, object] | None = None, **user: object) -> str:
        """Write a kubeconfig for this server, with more for its cluster's and user's entries, and return its path."""
        path = folder / "kubeconfig"
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "fake",
            "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "tester"}}],
            "clusters": [{"name": "fake", "cluster": {"server": self.url, **(cluster or {})}}],
            "users": [{"name": "tester", "user": user}],
        }
        path.write_bytes(orjson.dumps(content))
        return str(path)

    def put(self, *items: Json) -> Json:
        """Create or replace objects whatever their resourceVersion; return the last as stored."""
        stored: Json = {}
        for item in items:
            address = address_of(item)
            free = item | {
                "metadata": {k: v for k, v in item["metadata"].items() if k not in ("resourceVersion", "uid")}
            }
            stored = (self.store.replace if address in self.store.objects else self.store.create)(address, free)
        return stored

    def get(self, path: str) -> Json:
        """Return the stored object at a path; ``StatusError`` where there is none."""
        return self.store.get(parse(path))

    def delete(self, path: str) -> None:
        """Delete the object at a path."""
        self.store.delete(parse(path), {})

    def fault(self, path: str, **settings: Any) -> Fault:  # noqa: ANN401
        """Make requests to a path (``*`` at its end: a prefix) go wrong as ``Fault`` says, until it is cleared."""
        fault = Fault(path, **settings)
        self._faults.append(fault)
        return fault

    def require_token(self, token: str | None) -> None:
        """Answer 401 to requests without this token; None accepts all."""
        self.token = token

    def count(self, *, path: str | None = None, method: str | None = None, watch: bool | None = None) -> int:
        """Return how many requests came so far."""
        return len(self._like(path, method, watch))

    async def requested(
        self, count: int, *, path: str | None = None, method: str | None = None, watch: bool | None = None
    ) -> list[Request]:
        """Wait until so many requests have come, and return all that have."""
        async with self._moved:
            await self._moved.wait_for(lambda: len(self._like(path, method, watch)) >= count)
            return self._like(path, method, watch)

    def _like(self, path: str | None, method: str | None, watch: bool | None) -> list[Request]:  # noqa: FBT001
        return [
            request
            for request in self.requests
            if path in (None, request.path) and method in (None, request.method) and watch in (None, request.watch)
        ]

    async def watching(self, path: str, count: int = 1) -> None:
        """Wait until exactly ``count`` watches of a path are open."""
        address = parse(path)
        async with self._moved:
            await self._moved.wait_for(lambda: sum(watch.address == address for watch in self._watches) == count)

    def bookmark(self, path: str) -> None:
        """Send a bookmark of the current revision to the watches of a path that allow it."""
        address = parse(path)
        metadata = {"resourceVersion": str(self.store.revision), "creationTimestamp": None}
        mark = {"kind": address.kind, "apiVersion": address.api_version, "metadata": metadata}
        for watch in self._open(path):
            if watch.query.get("allowWatchBookmarks") in ("1", "true"):
                watch.lines.put_nowait(_line({"type": "BOOKMARK", "object": mark}))

    def send(self, path: str, line: object) -> None:
        """Send one line of JSON to the watches of a path; bytes are sent as they are, without a line's end."""
        for watch in self._open(path):
            watch.lines.put_nowait(line if isinstance(line, bytes) else _line(line))

    def error(self, path: str, code: int, reason: str) -> None:
        """Send an ERROR event to the watches of a path, as a 410 within a watch comes."""
        self.send(path, {"type": "ERROR", "object": status_of(code, reason, reason)})

    def end_watches(self, path: str | None = None) -> None:
        """End the watches of a path in good order, as a server does after ``timeoutSeconds``."""
        for watch in self._open(path):
            watch.lines.put_nowait(None)

    def cut_watches(self, path: str | None = None) -> None:
        """Cut the connections of the watches of a path."""
        for watch in self._open(path):
            if isinstance(watch.transport, asyncio.Transport):
                watch.transport.abort()

    def _open(self, path: str | None) -> list[_Watch]:
        return [watch for watch in self._watches if path is None or watch.address == parse(path)]

    def _publish(self, change: Change) -> None:
        for watch in self._watches:
            address = watch.address
            if address.collection == change.address.collection and address.namespace in ("", change.address.namespace):
                _enqueue(watch, change)

    async def _notify(self) -> None:
        async with self._moved:
            self._moved.notify_all()

    def answer_without_connection(self, request: Request) -> web.Response | None:
        """Answer a request that did not come over the socket; None, and nothing is done, where that needs one."""
        fault = self._fault_of(request)
        canned = fault is not None and fault.status is not None and not (fault.hold or fault.close)
        if request.watch or request.path.endswith("/portforward") or (fault and not canned):
            return None
        self.requests.append(request)
        if fault is None:
            return self._acted(request)
        fault.strike()
        return _canned(fault)

    def _fault_of(self, request: Request) -> Fault | None:
        return next((fault for fault in reversed(self._faults) if fault.matches(request)), None)

    async def _handle(self, raw: web.Request) -> web.StreamResponse:
        request = Request(raw.method, raw.path, dict(raw.query), dict(raw.headers), await raw.read(), _port(raw))
        self.requests.append(request)
        await self._notify()
        fault = self._fault_of(request)
        if fault is None and request.path.endswith("/portforward"):
            self._authenticate(request)
            return await forward(raw, self.forwards)
        if fault is None:
            return await self._answer(raw, request, silent=False)
        if fault.hold and not request.watch:
            answer = await self._answer(raw, request, silent=False)
            fault.strike()
            await fault.released()
            return answer
        fault.strike()
        return await self._fail(raw, request, fault)

    async def _fail(self, raw: web.Request, request: Request, fault: Fault) -> web.StreamResponse:
        if fault.close:
            return await _cut(raw, fault)
        if fault.status is not None:
            return _canned(fault)
        if fault.hold:
            await fault.released()
        return await self._answer(raw, request, silent=fault.silent)

    async def _answer(self, raw: web.Request, request: Request, *, silent: bool) -> web.StreamResponse:
        if not request.watch:
            return self._acted(request)
        try:
            self._authenticate(request)
            return await self._stream(raw, parse(request.path), request.query, silent=silent)
        except StatusError as refused:
            return _refusal(refused)

    def _acted(self, request: Request) -> web.Response:
        try:
            self._authenticate(request)
            body = orjson.dumps(self._act(request, parse(request.path)))
            return web.Response(body=body, content_type="application/json", status=_success(request))
        except StatusError as refused:
            return _refusal(refused)

    def _authenticate(self, request: Request) -> None:
        shown = request.headers.get("Authorization", "")
        if self.token is not None and shown.lower() != f"bearer {self.token}".lower():
            raise StatusError(401, "Unauthorized")

    def _act(self, request: Request, address: Address) -> Json:  # noqa: PLR0911 - a table
        dry_run = request.query.get("dryRun") == "All"
        content_type = request.headers.get("Content-Type", "").partition(";")[0]
        body = orjson.loads(request.body) if request.body else {}
        match request.method, bool(address.name):
            case "GET", True:
                return self.store.get(address)
            case "GET", False:
                return self.store.page(address, request.query)
            case "POST", False:
                return self.store.create(address, body, dry_run=dry_run)
            case "PUT", True:
                return self.store.replace(address, body, dry_run=dry_run)
            case "PATCH", True:
                return self.store.patch(address, content_type, body, dry_run=dry_run)
            case "DELETE", True:
                return self.store.delete(address, body)
            case "POST", True if address.subresource == "eviction":
                return self.store.delete(address, body.get("deleteOptions") or {})
            case _:
                raise StatusError(405, "MethodNotAllowed")

    async def _stream(
        self, raw: web.Request, address: Address, query: Mapping[str, str], *, silent: bool
    ) -> web.StreamResponse:
        past = self.store.since(address, int(query.get("resourceVersion") or 0))
        watch = _Watch(address, query, asyncio.Queue(), raw.transport)
        if not silent:
            for change in past:
                _enqueue(watch, change)
        self._watches.append(watch)
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        try:
            await response.prepare(raw)
            await self._notify()
            await _pump(watch, response, silent=silent)
        finally:
            self._watches.remove(watch)
            # The waiter's condition cannot be entered while this handler is being cancelled.
            task = asyncio.create_task(self._notify())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return response


async def _pump(watch: _Watch, response: web.StreamResponse, *, silent: bool) -> None:
    while (line := await watch.lines.get()) is not None:
        if not silent:
            await response.write(line)


def _enqueue(watch: _Watch, change: Change) -> None:
    event = event_of(change, watch.query)
    if event and watch.address.name in ("", change.address.name):
        watch.lines.put_nowait(_line(event))


def _line(value: object) -> bytes:
    return orjson.dumps(value) + b"\n"


def _port(raw: web.Request) -> int:
    peer = raw.transport.get_extra_info("peername") if raw.transport else None
    return int(peer[1]) if peer else 0


def _success(request: Request) -> int:
    return 201 if request.method == "POST" else 200


def _refusal(refused: StatusError) -> web.Response:
    return web.Response(body=orjson.dumps(refused.status), content_type="application/json", status=refused.code)


def _canned(fault: Fault) -> web.Response:
    status = fault.status or 200
    content = status_of(status, f"Fault{status}", "fault on order") if fault.body is None else fault.body
    raw = content if isinstance(content, bytes) else orjson.dumps(content)
    return web.Response(body=raw, content_type="application/json", status=status, headers=fault.headers)


async def _cut(raw: web.Request, fault: Fault) -> web.StreamResponse:
    body = fault.body if isinstance(fault.body, bytes) else b""
    response = web.StreamResponse(status=fault.status or 200, headers={"Content-Length": str(len(body) + 1)})
    if body:
        await response.prepare(raw)
        await response.write(body)
    if raw.transport:
        raw.transport.abort()
    return response
