"""The client of the fake API server, whose plain requests reach it as calls: hundreds of looks cost no sockets.

Watches, forwarded ports, and faults of the connection go over the socket, as with the client alone.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
from yarl import URL

from support.fake_api import FakeApi
from support.fake_faults import Request
from webhook.kube_client.answer import Answer
from webhook.kube_client.client import JSON, KubeClient
from webhook.kube_client.credentials import CredentialsLoader


class DirectClient(KubeClient):
    """The client, beside the server in one process."""

    def __init__(self, fake: FakeApi, folder: Path) -> None:
        super().__init__(CredentialsLoader(fake.kubeconfig(folder)), monotonic=lambda: 0.0)
        self._fake = fake

    async def exchange(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        content_type: str = JSON,
        **options: Any,  # noqa: ANN401 - as in KubeClient
    ) -> Answer:
        """Act at once where no connection is needed; others have their turn before the answer."""
        url = URL(path, encoded=True)
        headers, content = ({}, b"") if body is None else ({"Content-Type": content_type}, orjson.dumps(body))
        response = self._fake.answer_without_connection(Request(method, url.path, dict(url.query), headers, content))
        if response is None:
            return await super().exchange(method, path, body=body, content_type=content_type, **options)
        await asyncio.sleep(0)
        warnings = tuple(response.headers.getall("Warning", ()))
        assert isinstance(response.body, bytes)
        return Answer(f"{method} {url.path}", response.status, response.body, warnings)


@asynccontextmanager
async def direct_session(fake: FakeApi, folder: Path) -> AsyncIterator[KubeClient]:
    """Open a session to the fake server in this process."""
    async with DirectClient(fake, folder) as client:
        yield client
