"""``repair: evict``: evicts plugin pods without a GPU, so that their DaemonSet re-creates them through the webhook.

One at a time, at most once an hour for each node, under the Lease, and only if the webhook is reachable.
"""

from collections.abc import Sequence
from dataclasses import replace

from certs.state_events import StateEvents
from webhook.controllers.event_recorder import EventRecorder
from webhook.controllers.event_texts import eviction_text, refusal_text
from webhook.controllers.leadership import Leadership
from webhook.controllers.reachability_check import ReachabilityCheck
from webhook.controllers.release_history import choose, with_eviction
from webhook.controllers.reported_step import BlockedError
from webhook.controllers.state_store import StateStore
from webhook.decide.plugin.unserved_plugins import UnservedPlugin
from webhook.kube_client.api_error import ApiError
from webhook.kube_client.client import KubeClient
from webhook.kube_client.clock import Clock
from webhook.server.decide_live import ViewSource
from webhook.server.metrics import Metrics

# An older view may contain pods that were repaired since.
FRESH_SECONDS = 90


class Evictor:
    """Evicts plugin pods without a GPU for one replica."""

    def __init__(  # noqa: PLR0913 - each is another part of the same step
        self,
        client: KubeClient,
        source: ViewSource,
        *,
        leadership: Leadership,
        store: StateStore,
        reachability: ReachabilityCheck,
        events: EventRecorder,
        metrics: Metrics,
        state_events: StateEvents,
        clock: Clock,
    ) -> None:
        self._client, self._source, self._reachability = client, source, reachability
        self._leadership, self._store = leadership, store
        self._events, self._metrics, self._state_events, self._clock = events, metrics, state_events, clock

    async def step(self, repairable: Sequence[UnservedPlugin]) -> None:
        """Evict one of these pods if it is due. Raises BlockedError, ApiError, OSError."""
        if not repairable or self._source.oldest_age_seconds() >= FRESH_SECONDS:
            return
        if not await self._leadership.hold() or not self._store.may_write("evictions"):
            return
        stored, now = await self._store.read(), self._clock.now()
        found = choose(repairable, stored.state.evictions, self._source.view, now)
        if found is None:
            return
        await self._require_reachable(found)
        evictions = with_eviction(stored.state.evictions, found, now)
        if await self._store.write("evictions", stored, replace(stored.state, evictions=evictions)):
            await self._evict(found)

    async def _require_reachable(self, found: UnservedPlugin) -> None:
        namespace = found.pod.plugin.namespace
        labels = (self._source.view.namespaces or {}).get(namespace, {})
        if missing := await self._reachability.missing(namespace, labels):
            raise BlockedError(missing)

    async def _evict(self, found: UnservedPlugin) -> None:
        plugin = found.pod.plugin
        path = f"/api/v1/namespaces/{plugin.namespace}/pods/{plugin.name}/eviction"
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": plugin.name, "namespace": plugin.namespace},
            # Not another pod of the same name, which may find its GPU.
            "deleteOptions": {"preconditions": {"uid": found.pod.uid}},
        }
        facts = {"namespace": plugin.namespace, "pod": plugin.name, "node": found.pod.node}
        try:
            await self._client.create(path, body)
        except ApiError as error:
            if error.is_too_many:
                self._metrics.evictions.labels("refused").inc()
                self._state_events.emit("eviction-refused", **facts)
                await self._events.create(refusal_text(found))
            elif not (error.is_absent or error.is_conflict):  # otherwise the pod is already gone
                raise
            return
        self._metrics.evictions.labels("evicted").inc()
        self._state_events.emit("eviction-done", **facts)
        await self._events.create(eviction_text(found))
