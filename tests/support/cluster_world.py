"""A live view of the fake API server, over the real session, on fake time: what the tests of webhook/cluster share."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from support.fake_api import FakeApi
from support.fake_time import FakeTime
from webhook.kube_client.client import KubeClient
from webhook.kube_client.credentials import CredentialsLoader
from webhook.kube_client.resource import Resource
from webhook.view.live_view import LiveView
from webhook.view.projections import KINDS

Answer = TypeVar("Answer")

CLASSES = "/apis/node.k8s.io/v1/runtimeclasses"
NAMESPACES = "/api/v1/namespaces"
CLASSES_AND_NAMESPACES = (Resource(KINDS["node.k8s.io", "RuntimeClass"]), Resource(KINDS["", "Namespace"]))
CLASSES_ONLY = (Resource(KINDS["node.k8s.io", "RuntimeClass"]),)


@dataclass(slots=True)
class World:
    """The fake server, the live view that watches it, the time, and the reported events."""

    fake: FakeApi
    api: KubeClient
    live: LiveView
    time: FakeTime
    told: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def handlers(self) -> dict[str, str] | None:
        """Return the handler of each RuntimeClass in the view."""
        classes = self.live.view.runtime_classes
        return None if classes is None else {name: item.handler for name, item in classes.items()}

    def events(self) -> list[str]:
        """Return the words that were told."""
        return [event for event, _ in self.told]


@asynccontextmanager
async def session(
    fake: FakeApi,
    folder: Path,
    time: FakeTime | None = None,
    **user: Any,  # noqa: ANN401  a kubeconfig's entry
) -> AsyncIterator[KubeClient]:
    """Open the real session to the fake server."""
    clock = time or FakeTime()
    async with KubeClient(CredentialsLoader(fake.kubeconfig(folder, **user)), monotonic=lambda: clock.now) as api:
        yield api


async def call(client: KubeClient, method: str, path: str, **options: Any) -> tuple[int, dict[str, Any]]:  # noqa: ANN401
    """Return status and object of one request, whatever they are."""
    answer = await client.exchange(method, path, **options)
    return answer.status, answer.json or {}


@asynccontextmanager
async def watching(
    fake: FakeApi,
    folder: Path,
    resources: Iterable[Resource] = CLASSES_AND_NAMESPACES,
    **user: Any,  # noqa: ANN401  a kubeconfig's entry
) -> AsyncIterator[World]:
    """Run a live view until the block ends."""
    time = FakeTime()
    async with session(fake, folder, time, **user) as api:
        told: list[tuple[str, dict[str, Any]]] = []
        live = LiveView(
            api, resources, clock=time.clock(), on_change=lambda event, **facts: told.append((event, facts))
        )
        # The group ends the test when the live view fails, instead of letting it wait.
        async with asyncio.TaskGroup() as group:
            running = group.create_task(live.run())
            yield World(fake, api, live, time, told)
            running.cancel()


async def until(question: Callable[[], Answer]) -> Answer:
    """Let the loop turn until the answer is true, and return it; the test's timeout ends one that never is."""
    while not (answer := question()):  # noqa: ASYNC110 - no time passes here, and no event tells of a new view
        await asyncio.sleep(0)
    return answer


def runtime_class(name: str = "nvidia", handler: str = "nvidia", **labels: str) -> dict[str, Any]:
    """Return a RuntimeClass."""
    metadata = {"name": name, "labels": labels}
    return {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": metadata, "handler": handler}


def namespace(name: str, **labels: str) -> dict[str, Any]:
    """Return a Namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
