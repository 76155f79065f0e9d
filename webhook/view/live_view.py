"""The live view: one frozen ClusterView that list+watch loops and single reads keep current."""

import asyncio
import dataclasses
import math
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial, reduce
from operator import or_
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from webhook.kube.metadata import name_of
from webhook.kube.values import items, text
from webhook.kube_client.answer import Answer
from webhook.kube_client.api_error import ApiError
from webhook.kube_client.backoff import Backoff, Turns
from webhook.kube_client.client import KubeClient
from webhook.kube_client.clock import Clock
from webhook.kube_client.large_answers import PAGE_BYTES, is_too_large
from webhook.kube_client.reflector import Reflector
from webhook.kube_client.resource import Resource
from webhook.kube_client.served_version import client_for
from webhook.observations.plugin_observation import Moment
from webhook.observations.stored_state import StoredState
from webhook.view.plugin_watch import with_observations
from webhook.view.projections import DEFAULT_POLICY
from webhook.view.store import KindCache
from webhook.view.view import ClusterView
from webhook.view.watched_resources import GROUPS_PATH, RESOURCES

# Observations depend on how long a pod has been ready, not only on changes. Checking 5,000 pods takes 40 ms.
OBSERVATION_SECONDS = 30
# API groups change only when operators are installed or removed.
GROUPS_PAUSE_SECONDS = 60
LOOK_GROUPS_SECONDS = 10
# Any client may send reviews of ever new namespaces: this limits the requests to the API server at a time.
LOOKS_AT_ONCE = 8
# After a read without an answer, the next pods must not each send another one.
LOOK_PAUSE_SECONDS = 1.0


def ignore(event: str, /, **facts: object) -> None:
    """No-op callback."""


def utc_now() -> datetime:
    """Return the wall clock's time, as API objects record it."""
    return datetime.now(UTC)


def observe_plugins(
    is_gpu_resource: Callable[[str], bool], wall_clock: Callable[[], datetime] = utc_now
) -> Callable[[ClusterView], ClusterView]:
    """Return the function that notes in a view what its plugin pods show now."""
    return lambda view: with_observations(view, Moment(wall_clock(), is_gpu_resource))


observe_default_plugins = observe_plugins(DEFAULT_POLICY.is_gpu_resource)


async def nothing(view: ClusterView, /) -> None:
    """Prepare nothing."""


@dataclass(frozen=True, slots=True)
class _Watched:
    """One watched list: the loop that follows it, and what it knows."""

    reflector: Reflector
    cache: KindCache

    @property
    def resource(self) -> Resource:
        return self.reflector.resource

    @property
    def is_known(self) -> bool:
        is_refused = self.resource.may_be_refused and self.reflector.is_refused
        return self.resource.optional or is_refused or self.cache.values is not None


class LiveView:
    """The view of a live cluster; a ``kind`` is the name of its field in ClusterView, such as ``runtime_classes``.

    ``view`` is replaced as a whole, so each reader sees one state; ``synced`` is set once every kind that is not
    optional has been listed, or refused where it may be, and the view prepared. ``prepare`` gets the view after
    changes, so that derived values are ready before a request needs them. ``on_change`` is called as
    ``on_change(event, kind=..., **facts)``, once for each change, with ``watch-found`` (``objects``), ``watch-lost``
    (``reason``), ``api-absent`` and ``object-too-large`` (``reason``: its name). ``observe`` returns a view with what
    its plugin pods show now.
    """

    def __init__(  # noqa: PLR0913 - what its owner is called for
        self,
        client: KubeClient,
        resources: Iterable[Resource] = RESOURCES,
        *,
        clock: Clock | None = None,
        prepare: Callable[[ClusterView], Awaitable[None]] = nothing,
        on_change: Callable[..., None] = ignore,
        observe: Callable[[ClusterView], ClusterView] = observe_default_plugins,
    ) -> None:
        self.view = ClusterView()
        self.synced = asyncio.Event()
        self._changed = asyncio.Event()
        self._prepare = prepare
        self._client = client
        self._clock = clock or Clock()
        self._look_at_plugins = observe
        turns = Turns(self._clock)
        self._watched: dict[str, list[_Watched]] = {}
        for resource in resources:
            kind = resource.kind.field
            cache, backoff = KindCache(), Backoff(self._clock, turns)
            changed = partial(self._swap, kind)
            served = client_for(client, resource.kind)
            reflector = Reflector(served, resource, cache, backoff, changed=changed, tell=on_change)
            self._watched.setdefault(kind, []).append(_Watched(reflector, cache))
        self._looks: dict[tuple[str, str], asyncio.Task[bool]] = {}
        self._look_again_at = -math.inf
        self._look_turns = asyncio.Semaphore(LOOKS_AT_ONCE)

    async def run(self) -> None:
        """Keep the view current until cancelled."""
        async with asyncio.TaskGroup() as group:
            for watched in self._all():
                group.create_task(watched.reflector.run())
            group.create_task(self._prepare_views())

    async def _prepare_views(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            if not self.missing():
                if not self.synced.is_set():
                    await self._observe()
                await self._prepare(self.view)
                self.synced.set()

    async def follow_plugins(self) -> None:
        """Check the plugin pods periodically: some states count only after minutes. Runs until cancelled."""
        while True:
            await self._clock.sleep(OBSERVATION_SECONDS)
            if self.synced.is_set():
                await self._observe()

    async def _observe(self) -> None:
        """Record what the plugin pods show; the view changes only if that is new."""
        # In a thread: a large cluster has a plugin pod on each of its thousands of nodes.
        seen = await asyncio.to_thread(self._look_at_plugins, self.view)
        if seen.observations is not self.view.observations:
            self.view = dataclasses.replace(self.view, observations=seen.observations)

    def take_state(self, state: StoredState) -> None:
        """Take the state that the replicas share; this replica's own observations take precedence."""
        observations = self.view.observations
        if state.observations.entries.keys() - observations.entries.keys():
            observations = state.observations.updated(observations)
        self.view = dataclasses.replace(self.view, observations=observations, setbacks=state.setbacks)

    async def follow_groups(self) -> None:
        """Read the API groups periodically: some of them refuse what we would add. Runs until cancelled."""
        while True:
            # Without an answer the last one is kept.
            with suppress(ApiError, OSError):
                found = await self._client.get(GROUPS_PATH, timeout_seconds=LOOK_GROUPS_SECONDS)
                groups = frozenset(text(group.get("name")) for group in items(found.get("groups")))
                self.view = dataclasses.replace(self.view, api_groups=groups)
            await self._clock.sleep(GROUPS_PAUSE_SECONDS * self._clock.uniform(0.9, 1.1))

    def missing(self) -> list[str]:
        """Return the kinds for which the view waits before it is synced."""
        return sorted({item.resource.kind.field for item in self._all() if not item.is_known})

    def age_seconds(self, kind: str) -> float:
        """Return the seconds since a list, event or bookmark confirmed a kind; infinite if none ever did."""
        return self._clock.monotonic() - min(watched.cache.current_at for watched in self._watched[kind])

    def oldest_age_seconds(self) -> float:
        """Return the age of the oldest kind, leaving out those that were never listed and are not waited for."""
        now = self._clock.monotonic()
        known = (item for item in self._all() if not item.is_known or item.cache.values is not None)
        return max((now - watched.cache.current_at for watched in known), default=0.0)

    def object_age_seconds(self, kind: str, name: str) -> float:
        """Return the seconds since one object was last known current, by its kind's watch or by a single read."""
        (watched,) = self._watched[kind]
        return self._clock.monotonic() - watched.cache.object_current_at(name)

    async def look(self, kind: str, name: str, timeout_seconds: float = 0.3) -> bool:
        """Read one cluster-scoped object; True if the API server answered it (200 or 404).

        Simultaneous reads of one object share one request. False also for a kind that was never listed, and for a
        second after a read without an answer, in which no other read is sent.
        """
        task = self._looks.get((kind, name))
        if task is None:
            (watched,) = self._watched[kind]
            if watched.cache.values is None or self._clock.monotonic() < self._look_again_at:
                return False
            task = asyncio.create_task(self._look(kind, name, timeout_seconds))
            self._looks[kind, name] = task
            task.add_done_callback(lambda _: self._looks.pop((kind, name)))
        # If the first request is cancelled, the others still wait for the answer.
        return await asyncio.shield(task)

    async def _look(self, kind: str, name: str, timeout_seconds: float) -> bool:
        (watched,) = self._watched[kind]
        since, started = watched.cache.revision, self._clock.monotonic()
        path = f"{watched.resource.kind.path}/{quote(name, safe='')}"
        try:
            async with asyncio.timeout(timeout_seconds), self._look_turns:
                answer = await self._client.read(path, timeout_seconds=timeout_seconds, most_bytes=PAGE_BYTES)
            item = None if answer.is_absent or _is_left_out(answer, watched.resource) else answer.item()
            answered = item is None or name_of(item) == name
        except (ApiError, OSError):
            item, answered = None, False
        if not answered:
            self._look_again_at = self._clock.monotonic() + LOOK_PAUSE_SECONDS
            return False
        found = None if item is None else watched.reflector.found(item)
        if watched.cache.look(name, found, since=since, at=started):
            self._swap(kind)
        return True

    def _swap(self, kind: str) -> None:
        parts = [watched.cache.values for watched in self._watched[kind]]
        known = [part for part in parts if part is not None]
        if len(known) == len(parts):
            # If two lists contain an object, the first one's value is used.
            whole: Any = MappingProxyType(known[0] if len(known) == 1 else reduce(or_, map(dict, reversed(known))))
            self.view = dataclasses.replace(self.view, **{kind: whole})
        self._changed.set()

    def _all(self) -> Iterator[_Watched]:
        return (watched for some in self._watched.values() for watched in some)


def _is_left_out(answer: Answer, resource: Resource) -> bool:
    """Say whether an object is too large for the view, or of no interest to it."""
    if answer.is_cut or is_too_large(answer.body):
        return True
    return not resource.kind.keeps(answer.item())
