"""A client that sends its requests by another client; subclasses change the requests, or see the answers."""

from collections.abc import AsyncGenerator
from typing import Any

from webhook.kube_client.answer import Answer
from webhook.kube_client.client import KubeClient


class ForwardingClient(KubeClient):
    """Sends each request by the other client, which its owner opens and closes."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client

    def configuration(self) -> Any:  # noqa: ANN401 - as in KubeClient
        """Return the other client's configuration."""
        return self._client.configuration()

    async def exchange(self, method: str, path: str, **options: Any) -> Answer:  # noqa: ANN401 - as in KubeClient
        """Send one request by ``forward``, and pass the answer to ``answered``."""
        answer = await self.forward(method, path, options)
        self.answered(method, path, answer)
        return answer

    async def read(self, path: str, *, timeout_seconds: float, most_bytes: int) -> Answer:
        """Send a GET by the other client; of a long answer it reads the beginning alone."""
        return await self._client.read(path, timeout_seconds=timeout_seconds, most_bytes=most_bytes)

    async def forward(self, method: str, path: str, options: dict[str, Any]) -> Answer:
        """Send a request as it is."""
        return await self._client.exchange(method, path, **options)

    def answered(self, method: str, path: str, answer: Answer, /) -> None:
        """See an answer; nothing is done with it here."""

    def watch(self, path: str, *, read_timeout_seconds: float) -> AsyncGenerator[dict[str, Any], None]:
        """Watch by the other client."""
        return self._client.watch(path, read_timeout_seconds=read_timeout_seconds)
