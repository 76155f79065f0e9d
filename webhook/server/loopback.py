"""Serve the page on loopback only, and only to requests from there."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from aiohttp import web

from webhook.page.filters import Filters

NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def for_loopback(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse requests for other hosts than loopback: a site that rebinds its name to loopback still sends its name."""
    if request.url.host not in NAMES:
        return web.Response(
            status=403, text="only for localhost: use kubectl port-forward, or gpu-injector decisions\n"
        )
    response = await handler(request)
    response.headers.update(HEADERS)
    return response


def page(states: Sequence[Mapping[str, Any]], records: Sequence[Mapping[str, Any]], filters: Filters) -> web.Response:
    """Return the current page, as ``webhook.page.render.render`` makes it, with its security policy. Slow."""
    # The page of most replicas is never opened, and the template library is large.
    from webhook.page.render import SECURITY_POLICY, render  # noqa: PLC0415

    body = render(states, records, filters, time.time())
    return web.Response(text=body, content_type="text/html", headers={"Content-Security-Policy": SECURITY_POLICY})
