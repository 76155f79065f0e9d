"""The administrator's side: probes and metrics for the cluster; decisions, state and page for loopback."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import orjson
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from webhook.page.filters import Filters
from webhook.server.observe import Observer, Record
from webhook.server.replica import Replica

# A page of another site that rebinds its name to loopback still sends its own name.
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Admin:
    """The handlers of the plain-HTTP listeners."""

    observer: Observer
    replica: Replica
    rendering: asyncio.Lock = field(default_factory=asyncio.Lock)

    def probes(self) -> web.Application:
        """Return the application with ``/healthz``, ``/readyz`` and ``/metrics``; it names no workload."""
        app = web.Application()
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._metrics)
        return app

    def decisions(self) -> web.Application:
        """Return the application with page, ``/decisions``, ``/state``: they name workloads, so for loopback alone."""
        app = web.Application(middlewares=[_for_loopback])
        app.router.add_get("/", self._page)
        app.router.add_get("/decisions", self._decisions)
        app.router.add_get("/state", self._state)
        return app

    async def _healthz(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, _: web.Request) -> web.Response:
        why = self.replica.readiness()
        return web.Response(status=503, text=f"not ready: {why}\n") if why else web.Response(text="ok\n")

    async def _metrics(self, _: web.Request) -> web.Response:
        body = generate_latest(self.observer.metrics.registry)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _decisions(self, request: web.Request) -> web.Response:
        found = Filters.of(request.query).select(record.to_json() for record in self.observer.recent)
        return web.Response(body=orjson.dumps(found), content_type="application/json")

    async def _state(self, _: web.Request) -> web.Response:
        return web.Response(body=orjson.dumps(self.replica.to_json()), content_type="application/json")

    async def _page(self, request: web.Request) -> web.Response:
        records = tuple(self.observer.recent)
        # One at a time and in a thread, so that no admission waits for a thousand rows.
        async with self.rendering:
            body, policy = await asyncio.to_thread(self._render, records, Filters.of(request.query))
        return web.Response(text=body, content_type="text/html", headers={"Content-Security-Policy": policy})

    def _render(self, records: tuple[Record, ...], filters: Filters) -> tuple[str, str]:
        # Few replicas are ever looked at, and the template library is not small.
        from webhook.page.render import SECURITY_POLICY, render  # noqa: PLC0415

        shown = [record.to_json() for record in records]
        return render([self.replica.to_json()], shown, filters, time.time()), SECURITY_POLICY


@web.middleware
async def _for_loopback(request: web.Request, handler: Handler) -> web.StreamResponse:
    if request.url.host not in LOOPBACK_NAMES:
        return web.Response(
            status=403, text="only for localhost: use kubectl port-forward, or gpu-injector decisions\n"
        )
    response = await handler(request)
    response.headers.update(HEADERS)
    return response
