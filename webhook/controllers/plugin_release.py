"""``repair: evict``: blind plugin pods are evicted, so that their DaemonSet makes them anew, through us.

Only blind ones, one at a time, once a node and hour, under the Lease, and only after the registration was tried.
"""

from collections.abc import Sequence
from dataclasses import replace

from certs.state_events import Changes
from webhook.controllers.event_recorder import Events
from webhook.controllers.event_texts import eviction_note, refusal_note
from webhook.controllers.leadership import Leadership
from webhook.controllers.plugin_rounds import HeldError
from webhook.controllers.reachability_check import Proof
from webhook.controllers.release_history import choose, with_eviction
from webhook.controllers.state_store import StateStore
from webhook.decide.plugin.unserved_plugins import UnservedPlugin
from webhook.kube_client.api_error import ApiError
from webhook.kube_client.client import KubeClient
from webhook.kube_client.clock import Clock
from webhook.server.decide_live import ViewSource
from webhook.server.decision_log import Metrics

# A view older than this may show blind what has long been repaired.
FRESH_SECONDS = 90


class Evictor:
    """Evicts blind pods for one replica."""

    def __init__(  # noqa: PLR0913 - each is another part of the same step
        self,
        client: KubeClient,
        source: ViewSource,
        *,
        leadership: Leadership,
        store: StateStore,
        proof: Proof,
        events: Events,
        metrics: Metrics,
        changes: Changes,
        clock: Clock,
    ) -> None:
        self._client, self._source, self._proof = client, source, proof
        self._leadership, self._store = leadership, store
        self._events, self._metrics, self._changes, self._clock = events, metrics, changes, clock

    async def step(self, repairable: Sequence[UnservedPlugin]) -> None:
        """Evict one of these pods, if it is time. Raises HeldError, ApiError, OSError."""
        if not repairable or self._source.oldest_age_seconds() >= FRESH_SECONDS:
            return
        if not await self._leadership.hold() or not self._store.may_write("evictions"):
            return
        stored, now = await self._store.read(), self._clock.now()
        found = choose(repairable, stored.state.evictions, self._source.view, now)
        if found is None:
            return
        await self._prove(found)
        evictions = with_eviction(stored.state.evictions, found, now)
        if await self._store.write("evictions", stored, replace(stored.state, evictions=evictions)):
            await self._evict(found)

    async def _prove(self, found: UnservedPlugin) -> None:
        namespace = found.pod.plugin.namespace
        labels = (self._source.view.namespaces or {}).get(namespace, {})
        if missing := await self._proof.missing(namespace, labels):
            raise HeldError(missing)

    async def _evict(self, found: UnservedPlugin) -> None:
        plugin = found.pod.plugin
        path = f"/api/v1/namespaces/{plugin.namespace}/pods/{plugin.name}/eviction"
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": plugin.name, "namespace": plugin.namespace},
            # Not another pod of that name, which may see its GPU.
            "deleteOptions": {"preconditions": {"uid": found.pod.uid}},
        }
        facts = {"namespace": plugin.namespace, "pod": plugin.name, "node": found.pod.node}
        try:
            await self._client.create(path, body)
        except ApiError as error:
            if error.is_too_many:
                self._metrics.evictions.labels("refused").inc()
                self._changes.tell("eviction-refused", **facts)
                await self._events.create(refusal_note(found))
            elif not (error.is_absent or error.is_conflict):  # else the pod is gone, as was wanted
                raise
            return
        self._metrics.evictions.labels("evicted").inc()
        self._changes.tell("eviction-done", **facts)
        await self._events.create(eviction_note(found))
