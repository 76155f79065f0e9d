"""Replicas that make their rounds over one fake API server, on fake time; for the tests of webhook/controllers."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from certs.api import Installation
from certs.state_events import StateEvents
from support.cluster_world import session
from support.fake_api import FakeApi
from support.fake_store import parse
from support.fake_time import FakeTime
from support.plugin_world import NAMESPACE, Json, daemon_set, namespace, node, pod_of
from webhook.controllers.assemble import share
from webhook.controllers.event_recorder import EventRecorder
from webhook.controllers.plugin_release import Evictor
from webhook.controllers.plugin_rounds import ROUND_SECONDS, PluginRounds
from webhook.controllers.reachability_check import ReachabilityCheck
from webhook.kube_client.clock import Clock
from webhook.policy.model import Policy
from webhook.server.metrics import Metrics
from webhook.view.projections import view_of
from webhook.view.view import ClusterView

EVENTS = f"/apis/events.k8s.io/v1/namespaces/{NAMESPACE}/events"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
START = datetime(2026, 1, 1, tzinfo=UTC)
INSTALLATION = Installation(extra_names=("127.0.0.1",))


@dataclass(slots=True)
class StoreView:
    """A view that shows the fake API server's objects at once, with an age that the test sets."""

    fake: FakeApi
    age_seconds: float = 0.0

    @property
    def view(self) -> ClusterView:
        """Return the view of this moment."""
        return view_of(self.fake.store.objects.values())

    def object_age_seconds(self, kind: str, name: str) -> float:  # noqa: ARG002  the protocol's
        """Return the age."""
        return self.age_seconds

    def oldest_age_seconds(self) -> float:
        """Return the age."""
        return self.age_seconds

    async def look(self, kind: str, name: str, timeout_seconds: float) -> bool:  # noqa: ARG002  the protocol's
        """Return that no object was found."""
        return False


@dataclass(slots=True)
class Replica:
    """One replica's rounds, what it counts, and what it logs."""

    rounds: PluginRounds
    metrics: Metrics
    reported: list[tuple[str, dict[str, object]]]

    def sample(self, name: str, **labels: str) -> float | None:
        """Return the value of a metric."""
        return self.metrics.registry.get_sample_value(f"gpu_injector_{name}", labels)

    def events(self) -> list[str]:
        """Return the events that it logged."""
        return [event for event, _ in self.reported]


@dataclass(slots=True)
class World:
    """The API server with namespace kube-system and a plugin's DaemonSet, the time, and the replicas."""

    fake: FakeApi
    time: FakeTime
    source: StoreView
    owner: Json
    replicas: list[Replica] = field(default_factory=list)

    def add_blind(self, *names: str) -> None:
        """Add GPU nodes with a plugin pod that was created without the webhook."""
        for name in names:
            self.fake.put(node(name), pod_of(self.owner, name))

    async def rounds(self, count: int = 1, each_seconds: float = ROUND_SECONDS) -> None:
        """Let every replica make so many rounds, and time pass after each."""
        for _ in range(count):
            for replica in self.replicas:
                await replica.rounds.round()
            self.time.now += each_seconds

    async def minutes(self, count: int) -> None:
        """Let minutes pass, with a round each."""
        await self.rounds(count, each_seconds=60)

    def pods(self) -> list[str]:
        """Return the nodes that have a plugin pod."""
        return [pod["spec"]["nodeName"] for pod in self.fake.store.select(parse(PODS), {})]

    def events(self, reason: str | None = None) -> list[Json]:
        """Return the created Events in order."""
        made = [item for item in self.fake.store.select(parse(EVENTS), {}) if reason in (None, item["reason"])]
        return sorted(made, key=lambda item: int(item["metadata"]["resourceVersion"]))

    def posted(self, path: str = EVENTS) -> list[Any]:
        """Return the bodies of all POST requests to a path."""
        asked = (request for request in self.fake.requests if (request.method, request.path) == ("POST", path))
        return [orjson.loads(request.body) for request in asked]


@asynccontextmanager
async def world(fake: FakeApi, folder: Path, policy: Policy, replicas: int = 1) -> AsyncIterator[World]:
    """Yield replicas, each with its own session, before their first round."""
    fake.put(namespace())
    made = World(fake, FakeTime(), StoreView(fake), fake.put(daemon_set()))
    async with AsyncExitStack() as sessions:
        for number in range(replicas):
            api = await sessions.enter_async_context(session(fake, folder, made.time))
            made.replicas.append(_replica(made, api, policy, f"replica-{number}"))
        yield made


def _replica(made: World, api: Any, policy: Policy, who: str) -> Replica:  # noqa: ANN401
    reported: list[tuple[str, dict[str, object]]] = []
    state_events = StateEvents(lambda event, /, **facts: reported.append((event, facts)))
    clock = Clock(
        now=lambda: START + timedelta(seconds=made.time.now),
        monotonic=lambda: made.time.now,
        sleep=made.time.sleep,
        uniform=lambda low, high: (low + high) / 2,
    )
    metrics, events = Metrics.create(), EventRecorder(api, who, clock)
    common, reachability = share(api, INSTALLATION, policy, who=who, clock=clock), ReachabilityCheck(api, INSTALLATION)
    shared: dict[str, Any] = {"metrics": metrics, "events": events, "state_events": state_events, "clock": clock}
    evictor = Evictor(
        api, made.source, leadership=common.leadership, store=common.store, reachability=reachability, **shared
    )
    repairer = evictor if policy.bootstrap.repair == "evict" else None
    return Replica(PluginRounds(policy, made.source, repairer=repairer, **shared), metrics, reported)
