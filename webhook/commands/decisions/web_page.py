"""``decisions --web``: the page of all replicas, served on this machine's loopback until Ctrl-C."""

import asyncio
import webbrowser
from dataclasses import dataclass

import click
from aiohttp import web

from webhook.commands.shared.input_files import InputError
from webhook.commands.shared.replica_port_forward import Replicas
from webhook.page.filters import Filters
from webhook.server.loopback import for_loopback, page

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Web:
    """Serves the page, rendered from the replicas' current answers."""

    replicas: Replicas

    def application(self) -> web.Application:
        """Return the application, for loopback only: it has the rights of the user who started it."""
        app = web.Application(middlewares=[for_loopback])
        app.router.add_get("/", self._page)
        return app

    async def _page(self, request: web.Request) -> web.Response:
        try:
            # Unfiltered: the page counts what its filters leave out.
            answers = await self.replicas.ask({}, {})
        except (InputError, OSError) as error:
            return web.Response(status=502, text=f"{error}\n")
        records = [record for answer in answers for record in answer.records]
        states = [answer.state for answer in answers]
        return await asyncio.to_thread(page, states, records, Filters.of(request.query))


async def serve_page(replicas: Replicas, filters: Filters, port: int) -> None:
    """Serve the page and open it in the browser; runs until cancelled. Port 0 is a free one.

    Raises InputError or OSError if the replicas cannot be listed at the start.
    """
    await replicas.running()
    runner = web.AppRunner(Web(replicas).application(), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, port).start()
        url = f"http://{HOST}:{runner.addresses[0][1]}/{filters.url()}"
        click.echo(f"{url}\nCtrl-C ends it.", err=True)
        # Without a browser, the printed address is enough.
        await asyncio.to_thread(webbrowser.open, url)
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()
