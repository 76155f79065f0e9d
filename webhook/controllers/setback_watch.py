"""The rounds of setbacks: note which recipes failed on which nodes, and release the pods that they block.

Every replica counts; the holder of the Lease writes. A setback is stored, read back, and only then its pod is deleted,
once: the next pod is decided with the setback known.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from certs.state_events import StateEvents
from webhook.controllers.blocked_pods import BlockedPods
from webhook.controllers.event_recorder import EventRecorder
from webhook.controllers.leadership import Leadership
from webhook.controllers.reported_step import BlockedError, reported_step
from webhook.controllers.setback_texts import texts_of_setbacks
from webhook.controllers.state_store import StateStore, Stored
from webhook.kube_client.clock import Clock
from webhook.observations.plugin_observation import Moment
from webhook.observations.pod_start import PodEvent
from webhook.observations.setback import Setback, SetbackKind, Setbacks
from webhook.observations.setback_tracking import due, look_at_pods, with_released
from webhook.observations.waits import DEFAULT_WAITS, Waits
from webhook.policy.model import Policy
from webhook.server.decide_live import ViewSource
from webhook.server.metrics import Metrics
from webhook.view.plugin_watch import owned_pods
from webhook.view.view import ClusterView, PluginPod

ROUND_SECONDS = 10
# An older view may show pods that were replaced long ago.
FRESH_SECONDS = 90
# Of a failure of the whole cluster, so many pods are deleted with one write.
MOST_RELEASES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the rounds of one replica work with."""

    policy: Policy
    source: ViewSource
    store: StateStore
    leadership: Leadership
    pods: BlockedPods
    events: EventRecorder
    metrics: Metrics
    state_events: StateEvents
    clock: Clock
    waits: Waits = DEFAULT_WAITS


class SetbackWatch:
    """The rounds of one replica."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._stopped = False
        self._held = ""

    def stop(self) -> None:
        """Write nothing from now on (SIGTERM)."""
        self._stopped = True

    async def run(self, synced: asyncio.Event) -> None:
        """Make one round after the other, once the view is complete, until cancelled."""
        await synced.wait()
        while True:
            await self.round()
            await self._parts.clock.sleep(ROUND_SECONDS * self._parts.clock.uniform(0.9, 1.1))

    async def round(self) -> None:
        """Run one round. If the API server refuses a request, it is reported once and the rounds go on."""
        self._parts.store.publish()
        counts = [found.kind for found in self._parts.source.view.setbacks.current()]
        for kind in SetbackKind:
            self._parts.metrics.setbacks.labels(kind).set(counts.count(kind))
        if self._stopped:
            return
        with reported_step(self._parts.state_events, "setbacks", failed=lambda: self._parts.metrics.leader.set(0)):
            await self._step()

    async def _step(self) -> None:
        parts = self._parts
        is_leader = await parts.leadership.hold()
        parts.metrics.leader.set(is_leader)
        if not is_leader:
            return
        view = parts.source.view
        for note in texts_of_setbacks(view):
            await parts.events.record(note)
        if parts.source.oldest_age_seconds() >= FRESH_SECONDS:
            return
        if parts.store.may_write("setbacks"):
            await self._write_news(view)
        if self._held:
            raise BlockedError(self._held)

    async def _write_news(self, view: ClusterView) -> None:
        """Store what is new, and release what is due. Raises as ``round`` tells."""
        parts = self._parts
        self._held = ""
        known = parts.store.known or (await parts.store.read()).state
        seen = self._look(known.setbacks, view, await self._events(known.setbacks, view))
        is_news = seen.entries != known.setbacks.entries or any(self._due(seen, view))
        if is_news or view.observations.entries.items() - known.observations.entries.items():
            await self._store(await parts.store.read(), view)

    async def _store(self, stored: Stored, view: ClusterView) -> None:
        """Write what is seen now, read it back, and delete the pods that are due. Raises as ``round`` tells."""
        parts = self._parts
        setbacks = self._look(stored.state.setbacks, view, await self._events(stored.state.setbacks, view))
        released = list(self._due(setbacks, view))[:MOST_RELEASES]
        self._held = await parts.pods.missing_limit() if released else ""
        if self._held:
            released = []
        observations = stored.state.observations.updated(view.observations)
        noted = with_released(setbacks, [found for found, _ in released])
        written = replace(stored.state, observations=observations, setbacks=noted)
        is_new = written != stored.state
        if is_new and await parts.store.write("setbacks", stored, written) and released:
            await self._release(await parts.store.read(), released)

    async def _release(self, stored: Stored, released: Sequence[tuple[Setback, PluginPod]]) -> None:
        """Delete the pods whose setback is stored; every replica that decides on the next pod reads it there."""
        parts = self._parts
        for found, pod in released:
            known = stored.state.setbacks.entries.get(found.key)
            if known and known.pod == pod.uid and known.released and await parts.pods.delete(pod):
                facts = {"namespace": found.key.namespace, "pod": pod.plugin.name, "node": found.key.node}
                parts.state_events.emit("setback-released", **facts)
                parts.metrics.releases.inc()

    def _due(self, setbacks: Setbacks, view: ClusterView) -> Iterable[tuple[Setback, PluginPod]]:
        policy = self._parts.policy
        if policy.bootstrap.repair == "report" or policy.dry_run:
            return ()
        return ((found, pod) for found, pod in due(setbacks, owned_pods(view).values()) if isinstance(pod, PluginPod))

    def _look(self, setbacks: Setbacks, view: ClusterView, events: Iterable[PodEvent]) -> Setbacks:
        return look_at_pods(setbacks, owned_pods(view), view.nodes, events, self._moment)

    async def _events(self, setbacks: Setbacks, view: ClusterView) -> Sequence[PodEvent]:
        """Return the Events of pods that look as if their recipe failed, where that is not known yet."""
        seen = self._look(setbacks, view, ())
        new = [found for key, found in seen.entries.items() if setbacks.entries.get(key) != found]
        by_uid: Mapping[str, PluginPod] = {pod.uid: pod for pod in owned_pods(view).values()}
        return await self._parts.pods.events([by_uid[found.pod] for found in new if found.pod in by_uid])

    @property
    def _moment(self) -> Moment:
        return Moment(self._parts.clock.now(), self._parts.policy.is_gpu_resource, self._parts.waits)
