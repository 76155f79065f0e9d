"""The administrator's side: probes and metrics for the cluster, the last decisions for loopback."""

from collections.abc import Callable
from dataclasses import dataclass

import orjson
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from webhook.server.observe import Observer

Readiness = Callable[[], str]
"""Returns what keeps this replica from serving, empty when nothing does."""


@dataclass(frozen=True, slots=True)
class Admin:
    """The handlers of the plain-HTTP listeners."""

    observer: Observer
    readiness: Readiness

    def probes(self) -> web.Application:
        """Return the application with ``/healthz``, ``/readyz`` and ``/metrics``; it names no workload."""
        app = web.Application()
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._metrics)
        return app

    def decisions(self) -> web.Application:
        """Return the application with ``/decisions``: workload names of the whole cluster, so for loopback alone."""
        app = web.Application()
        app.router.add_get("/decisions", self._decisions)
        return app

    async def _healthz(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, _: web.Request) -> web.Response:
        why = self.readiness()
        return web.Response(status=503, text=f"not ready: {why}\n") if why else web.Response(text="ok\n")

    async def _metrics(self, _: web.Request) -> web.Response:
        body = generate_latest(self.observer.metrics.registry)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _decisions(self, _: web.Request) -> web.Response:
        body = orjson.dumps([record.to_json() for record in self.observer.recent])
        return web.Response(body=body, content_type="application/json", headers={"Cache-Control": "no-store"})
