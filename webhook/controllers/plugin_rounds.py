"""The rounds of every replica: find plugin pods without a GPU, count them, record Events, and have them evicted."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from certs.state_events import StateEvents
from webhook.controllers.event_recorder import EventRecorder
from webhook.controllers.event_texts import texts_of
from webhook.controllers.reported_step import reported_step
from webhook.decide.plugin.unserved_plugins import UnservedPlugin, unserved_plugins
from webhook.kube_client.clock import Clock
from webhook.policy.model import Policy
from webhook.server.decide_live import ViewSource
from webhook.server.metrics import Metrics

ROUND_SECONDS = 10
# A plugin registers within seconds of its start; its kubelet reports the GPUs at most ten seconds later.
SETTLING_SECONDS = 30


class Repairer(Protocol):
    """Has plugin pods without a GPU re-created."""

    async def step(self, repairable: Sequence[UnservedPlugin]) -> None:
        """Take the next step for these pods if it is due. Raises BlockedError, ApiError, OSError."""
        ...


class PluginRounds:
    """The rounds of one replica. Without a ``repairer`` blind pods are only counted and reported.

    A pod counts as blind after it had no GPU for half a minute.
    """

    def __init__(  # noqa: PLR0913 - each is set by the caller or replaced by a test
        self,
        policy: Policy,
        source: ViewSource,
        *,
        metrics: Metrics,
        events: EventRecorder,
        state_events: StateEvents,
        repairer: Repairer | None,
        clock: Clock | None = None,
    ) -> None:
        self._policy, self._source, self._metrics, self._events = policy, source, metrics, events
        self._state_events, self._repairer, self._clock = state_events, repairer, clock or Clock()
        self._since: dict[str, float] = {}
        self._stopped = False

    def stop(self) -> None:
        """Write nothing from now on (SIGTERM)."""
        self._stopped = True

    async def run(self, synced: asyncio.Event) -> None:
        """Wait until the view is complete, then do one round after the other until cancelled."""
        await synced.wait()
        while True:
            await self.round()
            await self._clock.sleep(ROUND_SECONDS * self._clock.uniform(0.9, 1.1))

    async def round(self) -> None:
        """Find the blind pods once, and do what is due."""
        blind = self._settled(await self._find())
        repairable = [found for found in blind if found.is_repairable]
        self._metrics.blind_plugin_pods.set(len(repairable))
        if self._stopped:
            return
        with reported_step(self._state_events, "events"):
            await self._report(blind)
        if self._repairer:
            with reported_step(self._state_events, "repair"):
                await self._repairer.step(repairable)

    async def _find(self) -> list[UnservedPlugin]:
        age_seconds = self._source.object_age_seconds("runtime_classes", self._policy.runtime_class)
        found = []
        for blind in unserved_plugins(self._source.view, self._policy, age_seconds):
            found.append(blind)
            # Let reviews run in between: there may be thousands of nodes without a GPU.
            await asyncio.sleep(0)
        return found

    def _settled(self, blind: Sequence[UnservedPlugin]) -> list[UnservedPlugin]:
        now = self._clock.monotonic()
        self._since = {found.pod.uid: self._since.get(found.pod.uid, now) for found in blind}
        return [found for found in blind if now - self._since[found.pod.uid] >= SETTLING_SECONDS]

    async def _report(self, blind: Sequence[UnservedPlugin]) -> None:
        for note in texts_of(blind, self._policy):
            await self._events.record(note)
