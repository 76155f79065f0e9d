"""The administrator's side: probes and metrics for the cluster; decisions, state and page for loopback."""

import asyncio
from dataclasses import dataclass, field

import orjson
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from webhook.page.attention import settled
from webhook.page.filters import Filters
from webhook.server.decision_log import DecisionLog, Record
from webhook.server.loopback import for_loopback, page
from webhook.server.state import Replica


@dataclass(frozen=True, slots=True)
class Admin:
    """The handlers of the plain-HTTP listeners."""

    observer: DecisionLog
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
        """Return the application with page, ``/decisions``, ``/state``. They name workloads: only for loopback."""
        app = web.Application(middlewares=[for_loopback])
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
        try:
            since = float(request.query.get("since") or 0)
        except ValueError:
            return web.Response(status=400, text="since: seconds since the epoch are wanted\n")
        # A later decision may resolve the warning of an earlier one, also where a filter leaves it out.
        records = settled(record.to_json() for record in self.observer.recent)
        newer = (record for record in records if record["time"] > since)
        return web.Response(body=orjson.dumps(Filters.of(request.query).select(newer)), content_type="application/json")

    async def _state(self, _: web.Request) -> web.Response:
        return web.Response(body=orjson.dumps(self.replica.to_json()), content_type="application/json")

    async def _page(self, request: web.Request) -> web.Response:
        records = tuple(self.observer.recent)
        # One at a time and in a thread, so that no admission waits for a thousand rows.
        async with self.rendering:
            return await asyncio.to_thread(self._render, records, Filters.of(request.query))

    def _render(self, records: tuple[Record, ...], filters: Filters) -> web.Response:
        return page([self.replica.to_json()], [record.to_json() for record in records], filters)
