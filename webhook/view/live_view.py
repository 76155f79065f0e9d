"""The live view: one frozen ClusterView that list+watch loops and single live looks keep current."""

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
from webhook.nvidia.known_plugins import KNOWN_PLUGINS, KnownPlugin
from webhook.observations.plugin_observation import Moment
from webhook.observations.stored_state import State
from webhook.view.plugin_watch import with_observations
from webhook.view.projections import ADMISSION, DEFAULT_POLICY, KINDS, kinds
from webhook.view.store import KindCache
from webhook.view.view import ClusterView

# Measured with Nodes of 13 KB: a page of 25 keeps the loop busy for 4 ms, and its memory is small beside the view's.
NODES_PAGE_SIZE = 25
# Of plugins' pods, which with their managed fields are about as large.
PODS_PAGE_SIZE = 25
# A ResourceSlice describes up to 128 devices, a configuration of Kyverno's or Kubewarden's has many webhooks.
LARGE_OBJECTS_PAGE_SIZE = 25
RESOURCES = (
    Resource(KINDS["node.k8s.io", "RuntimeClass"]),
    Resource(KINDS["", "Namespace"]),
    Resource(KINDS["", "Node"], page_size=NODES_PAGE_SIZE),
    *(Resource(KINDS[kind], optional=True) for kind in (("nvidia.com", "ClusterPolicy"), ("nvidia.com", "GPUCluster"))),
    Resource(KINDS["resource.k8s.io", "DeviceClass"], optional=True),
    Resource(KINDS["resource.k8s.io", "ResourceSlice"], optional=True, page_size=LARGE_OBJECTS_PAGE_SIZE),
    *(
        Resource(KINDS[ADMISSION, kind], optional=True, page_size=LARGE_OBJECTS_PAGE_SIZE)
        for kind in (
            "ValidatingAdmissionPolicy",
            "ValidatingAdmissionPolicyBinding",
            "ValidatingWebhookConfiguration",
            "MutatingWebhookConfiguration",
        )
    ),
)
# Observations depend on how long a pod has been ready, so they need no change. A look at 5,000 pods takes 40 ms.
OBSERVATION_SECONDS = 30
GROUPS_PATH = "/apis"
# API groups come and go with operators: seldom.
GROUPS_PAUSE_SECONDS = 60
LOOK_GROUPS_SECONDS = 10
# Anybody may send reviews of ever new namespaces; the API server need not answer more about them at a time.
LOOKS_AT_ONCE = 8
# After a look that got no answer, the next pods must not each ask again.
LOOK_PAUSE_SECONDS = 1.0


def resources(namespaces: Iterable[str], known: tuple[KnownPlugin, ...] = KNOWN_PLUGINS) -> Iterator[Resource]:
    """Yield what a webhook watches; plugins in the namespaces where they are believed.

    One selector cannot say "any of these keys", so there is a row for each.
    """
    yield from RESOURCES
    of = kinds(known)
    values: dict[str, set[str]] = {}
    for plugin in known:
        values.setdefault(plugin.label, set()).add(plugin.value)
    selectors = [f"{key} in ({','.join(sorted(of_key))})" for key, of_key in sorted(values.items())]
    for namespace in namespaces:
        yield Resource(of["apps", "DaemonSet"], namespace=namespace)
        for selector in selectors:
            yield Resource(
                of["", "Pod"],
                page_size=PODS_PAGE_SIZE,
                namespace=namespace,
                selectors={"labelSelector": selector},
            )


def ignore(event: str, /, **facts: object) -> None:
    """Tell nobody."""


def utc_now() -> datetime:
    """Return the wall clock's time, with which API objects record theirs."""
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
        return self.resource.optional or self.cache.values is not None


class LiveView:
    """The view of a live cluster; a ``kind`` is the name of its field in ClusterView, such as ``runtime_classes``.

    ``view`` is swapped whole, so whoever holds it sees one state; ``synced`` is set once every kind that is not
    optional has been listed, and the view prepared. ``prepare`` gets the view after changes, many of them at once where
    they come quickly: what is derived from it need not wait for a request. ``on_change`` is called as
    ``on_change(event, kind=..., **facts)``, once a change, with ``watch-found`` (``objects``), ``watch-lost``
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
        """Look at the plugin pods from time to time: some states count only after minutes. Runs until cancelled."""
        while True:
            await self._clock.sleep(OBSERVATION_SECONDS)
            if self.synced.is_set():
                await self._observe()

    async def _observe(self) -> None:
        """Note what the plugin pods show; the view changes only where that is new."""
        # In a thread: a large cluster has a plugin pod on each of its thousands of nodes.
        seen = await asyncio.to_thread(self._look_at_plugins, self.view)
        if seen.observations is not self.view.observations:
            self.view = dataclasses.replace(self.view, observations=seen.observations)

    def take_state(self, state: State) -> None:
        """Take what the replicas remember together; what this replica has observed itself counts more."""
        observations = self.view.observations
        if state.observations.entries.keys() - observations.entries.keys():
            observations = state.observations.updated(observations)
        self.view = dataclasses.replace(self.view, observations=observations, setbacks=state.setbacks)

    async def follow_groups(self) -> None:
        """Look now and then which API groups there are: some refuse what we would add. Runs until cancelled."""
        while True:
            # Without an answer the last one still counts.
            with suppress(ApiError, OSError):
                found = await self._client.get(GROUPS_PATH, timeout_seconds=LOOK_GROUPS_SECONDS)
                groups = frozenset(text(group.get("name")) for group in items(found.get("groups")))
                self.view = dataclasses.replace(self.view, api_groups=groups)
            await self._clock.sleep(GROUPS_PAUSE_SECONDS * self._clock.uniform(0.9, 1.1))

    def missing(self) -> list[str]:
        """Return the kinds for which the view waits before it is synced."""
        return sorted({item.resource.kind.field for item in self._all() if not item.is_known})

    def age_seconds(self, kind: str) -> float:
        """Return the seconds since list, event or bookmark last showed a kind current; infinite if none ever did."""
        return self._clock.monotonic() - min(watched.cache.current_at for watched in self._watched[kind])

    def oldest_age_seconds(self) -> float:
        """Return the age of the oldest kind, leaving out optional ones that were never listed."""
        now = self._clock.monotonic()
        known = (item for item in self._all() if not item.resource.optional or item.cache.values is not None)
        return max((now - watched.cache.current_at for watched in known), default=0.0)

    def object_age_seconds(self, kind: str, name: str) -> float:
        """Return the seconds since one object was last known current, by its kind's watch or by a look at it."""
        (watched,) = self._watched[kind]
        return self._clock.monotonic() - watched.cache.object_current_at(name)

    async def look(self, kind: str, name: str, timeout_seconds: float = 0.3) -> bool:
        """Ask the API server for one cluster-scoped object; True if it answered (200 or 404) and the view knows it now.

        Looks at the same object at the same time share one request. A kind that was never listed has no view to add to,
        and for a second after a look without an answer no other is sent: both are False.
        """
        task = self._looks.get((kind, name))
        if task is None:
            (watched,) = self._watched[kind]
            if watched.cache.values is None or self._clock.monotonic() < self._look_again_at:
                return False
            task = asyncio.create_task(self._look(kind, name, timeout_seconds))
            self._looks[kind, name] = task
            task.add_done_callback(lambda _: self._looks.pop((kind, name)))
        # Whoever asked first may go away; the others still wait for the answer.
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
            # An object that two rows show is the first one's.
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
