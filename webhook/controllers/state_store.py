"""The ConfigMap in which the replicas remember observations, setbacks and evictions together.

Every replica watches it; only the holder of the Lease writes it, at most twice a minute for setbacks and twice for
evictions, and only over the version that it has read.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from certs.api import Installation
from webhook.kube.metadata import metadata
from webhook.kube_client.api_error import ApiError
from webhook.kube_client.backoff import Backoff, Turns
from webhook.kube_client.client import KubeClient
from webhook.kube_client.clock import Clock
from webhook.kube_client.reflector import Reflector
from webhook.kube_client.resource import Resource
from webhook.observations.stored_state import DATA_KEY, NAME_SUFFIX, NO_STATE, StoredState, state_of, write_state
from webhook.policy.fingerprint import fingerprint
from webhook.policy.model import Policy
from webhook.view.projections import Kind
from webhook.view.store import KindCache

WRITE_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Stored:
    """The state as it was read, and the ConfigMap that holds it (empty where there is none yet)."""

    state: StoredState
    found: Mapping[str, Any]


class StateStore:
    """The state of one installation. ``take`` gets it whenever it may be another; ``tell`` hears of the watch."""

    def __init__(  # noqa: PLR0913 - each is a part that the caller chooses
        self,
        client: KubeClient,
        installation: Installation,
        policy: Policy,
        *,
        take: Callable[[StoredState], None],
        tell: Callable[..., None],
        clock: Clock,
    ) -> None:
        self._client, self._take, self._clock = client, take, clock
        self._namespace, self._name = installation.namespace, f"{installation.name}{NAME_SUFFIX}"
        self._policy = fingerprint(policy)
        kind = Kind("state", "/api/v1/configmaps", state_of)
        resource = Resource(
            kind, namespace=installation.namespace, selectors={"fieldSelector": f"metadata.name={self._name}"}
        )
        self._path = f"{resource.path}/{self._name}"
        self._cache, backoff = KindCache(), Backoff(clock, Turns(clock))
        self._reflector = Reflector(client, resource, self._cache, backoff, changed=self.publish, tell=tell)
        self._written_at: dict[str, float] = {}

    async def run(self) -> None:
        """Watch the state until cancelled."""
        await self._reflector.run()

    @property
    def known(self) -> StoredState | None:
        """The state that was last seen, as of now and for this policy; None where it was never seen."""
        if self._cache.values is None:
            return None
        return self._current(self._cache.values.get(self._name, NO_STATE))

    def publish(self) -> None:
        """Pass on what is known: what has expired since does not count any more."""
        known = self.known
        if known is not None:
            self._take(known)

    async def look(self, timeout_seconds: float) -> bool:
        """Ask for the state and pass it on; False where no answer came."""
        since, started = self._cache.revision, self._clock.monotonic()
        try:
            item = await self._client.find(self._path, timeout_seconds=timeout_seconds)
        except (ApiError, OSError):
            return False
        found = None if item is None else self._reflector.found(item)
        if self._cache.values is None:
            # The watch has yet to list it; this answer counts until then.
            self._take(self._current(found.value if found else NO_STATE))
            return True
        self._cache.look(self._name, found, since=since, at=started)
        self.publish()
        return True

    async def read(self) -> Stored:
        """Read the state from the API server. Raises ApiError, UnauthorizedError, OSError."""
        found = await self._client.find(self._path) or {}
        return Stored(self._current(state_of(found)), found)

    def may_write(self, subject: str) -> bool:
        """Say whether the last write for a subject is long enough ago: setbacks must not hold evictions up."""
        return self._clock.monotonic() - self._written_at.get(subject, -math.inf) >= WRITE_SECONDS

    async def write(self, subject: str, stored: Stored, state: StoredState) -> bool:
        """Write a state over the one that was read; False where another write was faster. Raises as ``read``."""
        self._written_at[subject] = self._clock.monotonic()
        item = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {**metadata(stored.found), "name": self._name, "namespace": self._namespace},
            "data": {DATA_KEY: write_state(state)},
        }
        try:
            if stored.found:
                await self._client.replace(self._path, item)
            else:
                await self._client.create(self._path.rpartition("/")[0], item)
        except ApiError as error:
            if error.is_conflict or error.is_absent:
                return False
            raise
        return True

    def _current(self, state: StoredState) -> StoredState:
        return current_state(state, self._policy, self._clock.now())


def current_state(state: StoredState, policy: str, now: datetime) -> StoredState:
    """Return a state as of now, with the setbacks of this policy (by its fingerprint) only."""
    return replace(state, setbacks=state.setbacks.under(policy).as_of(now))
