"""Replicas that make their rounds over one fake API server, on fake time: what the tests of webhook/repair share."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
from cluster_world import session
from fake_api import FakeApi
from fake_store import parse
from fake_time import FakeTime
from plugin_world import NAMESPACE

from certs.changes import Changes
from certs.clock import Clock
from webhook.cluster.view import ClusterView
from webhook.policy import Policy
from webhook.repair.events import Events
from webhook.repair.rounds import ROUND_SECONDS, Rounds
from webhook.server.observe import Metrics

EVENTS = f"/apis/events.k8s.io/v1/namespaces/{NAMESPACE}/events"
START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class AnyView:
    """A view that a test replaces, and its age."""

    view: ClusterView
    age_seconds: float = 0.0

    def object_age_seconds(self, kind: str, name: str) -> float:  # noqa: ARG002  the protocol's
        """Return the age."""
        return self.age_seconds

    def oldest_age_seconds(self) -> float:
        """Return the age."""
        return self.age_seconds

    async def look(self, kind: str, name: str, timeout_seconds: float) -> bool:  # noqa: ARG002  the protocol's
        """Answer that there is nothing more to learn."""
        return False


@dataclass(slots=True)
class Replica:
    """One replica's rounds, what it counts, and what it logs."""

    rounds: Rounds
    metrics: Metrics
    told: list[tuple[str, dict[str, object]]]

    def sample(self, name: str, **labels: str) -> float | None:
        """Return what a metric says."""
        return self.metrics.registry.get_sample_value(f"gpu_injector_{name}", labels)


@dataclass(slots=True)
class World:
    """The API server, the time, the view that all replicas have, and the replicas."""

    fake: FakeApi
    time: FakeTime
    source: AnyView
    replicas: list[Replica] = field(default_factory=list)

    def clock(self) -> Clock:
        """Return the clock of a replica."""
        return Clock(
            now=lambda: START + timedelta(seconds=self.time.now),
            monotonic=lambda: self.time.now,
            sleep=self.time.sleep,
            jitter=lambda: 0.5,
        )

    async def rounds(self, count: int = 1) -> None:
        """Let every replica make so many rounds, and time pass between them."""
        for _ in range(count):
            for replica in self.replicas:
                await replica.rounds.round()
            self.time.now += ROUND_SECONDS

    def events(self, reason: str | None = None) -> list[dict[str, Any]]:
        """Return the Events that were made, the first one first."""
        made = [item for item in self.fake.store.select(parse(EVENTS), {}) if reason in (None, item["reason"])]
        return sorted(made, key=lambda item: int(item["metadata"]["resourceVersion"]))

    def posted(self, path: str = EVENTS) -> list[dict[str, Any]]:
        """Return the bodies of all POST requests to a path."""
        asked = (request for request in self.fake.requests if (request.method, request.path) == ("POST", path))
        return [orjson.loads(request.body) for request in asked]


@asynccontextmanager
async def world(
    fake: FakeApi, folder: Path, view: ClusterView, policy: Policy, replicas: int = 1
) -> AsyncIterator[World]:
    """Have replicas with a session of their own each, and nothing done yet."""
    made = World(fake, FakeTime(), AnyView(view))
    async with AsyncExitStack() as sessions:
        for number in range(replicas):
            api = await sessions.enter_async_context(session(fake, folder, made.time))
            metrics, told = Metrics.create(), list[tuple[str, dict[str, object]]]()
            changes = Changes(lambda event, /, told=told, **facts: told.append((event, facts)))
            clock = made.clock()
            rounds = Rounds(
                policy,
                made.source,
                metrics=metrics,
                events=Events(api, f"replica-{number}", clock),
                changes=changes,
                repairer=None,
                clock=clock,
            )
            made.replicas.append(Replica(rounds, metrics, told))
        yield made
