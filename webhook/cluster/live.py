"""The live view: one frozen ClusterView that list+watch loops and single live looks keep current."""

import asyncio
import dataclasses
import math
from collections.abc import Callable, Iterable
from functools import partial
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from webhook.cluster.project import KINDS
from webhook.cluster.view import ClusterView
from webhook.cluster.watch import NOT_FOUND, Api, Reflector, Resource, Timing
from webhook.raw import name_of

# Measured with Nodes of 13 KB: 50 of them to a page keep the loop busy for 20 ms, 100 for 30 ms.
RESOURCES = (
    Resource(KINDS["node.k8s.io", "RuntimeClass"]),
    Resource(KINDS["", "Namespace"]),
)
# After a look that got no answer, the next pods must not each ask again.
LOOK_PAUSE_SECONDS = 1.0


def ignore(event: str, /, **facts: object) -> None:
    """Tell nobody."""


class LiveView:
    """The view of a live cluster; a ``kind`` is the name of its field in ClusterView, such as ``runtime_classes``.

    ``view`` is swapped whole, so whoever holds it sees one state; ``synced`` is set once every kind that is not
    optional has been listed. ``on_change`` is called as ``on_change(event, kind=..., **facts)``, once a change, with
    ``watch-found`` (``objects``), ``watch-lost`` (``reason``) and ``api-absent``.
    """

    def __init__(
        self,
        api: Api,
        resources: Iterable[Resource] = RESOURCES,
        *,
        timing: Timing | None = None,
        on_change: Callable[..., None] = ignore,
    ) -> None:
        self.view = ClusterView()
        self.synced = asyncio.Event()
        self._api = api
        self._timing = timing or Timing()
        self._reflectors = {
            resource.kind.field: Reflector(
                api, resource, self._timing, changed=partial(self._swap, resource.kind.field), tell=on_change
            )
            for resource in resources
        }
        self._looks: dict[tuple[str, str], asyncio.Task[bool]] = {}
        self._look_again_at = -math.inf

    async def run(self) -> None:
        """Keep the view current until cancelled."""
        async with asyncio.TaskGroup() as group:
            for reflector in self._reflectors.values():
                group.create_task(reflector.run())

    def age_seconds(self, kind: str) -> float:
        """Return the seconds since list, event or bookmark last showed a kind current; infinite if none ever did."""
        return self._timing.clock() - self._reflectors[kind].cache.current_at

    def oldest_age_seconds(self) -> float:
        """Return the age of the oldest kind, leaving out optional ones that were never listed."""
        return max(
            (
                self.age_seconds(kind)
                for kind, reflector in self._reflectors.items()
                if not reflector.resource.optional or reflector.cache.values is not None
            ),
            default=0.0,
        )

    def object_age_seconds(self, kind: str, name: str) -> float:
        """Return the seconds since one object was last known current, by its kind's watch or by a look at it."""
        return self._timing.clock() - self._reflectors[kind].cache.object_current_at(name)

    async def look(self, kind: str, name: str, timeout_seconds: float = 0.3) -> bool:
        """Ask the API server for one cluster-scoped object; True if it answered (200 or 404) and the view knows it now.

        Looks at the same object at the same time share one request. A kind that was never listed has no view to add to,
        and for a second after a look without an answer no other is sent: both are False.
        """
        task = self._looks.get((kind, name))
        if task is None:
            if self._reflectors[kind].cache.values is None or self._timing.clock() < self._look_again_at:
                return False
            task = asyncio.create_task(self._look(kind, name, timeout_seconds))
            self._looks[kind, name] = task
            task.add_done_callback(lambda _: self._looks.pop((kind, name)))
        # Whoever asked first may go away; the others still wait for the answer.
        return await asyncio.shield(task)

    async def _look(self, kind: str, name: str, timeout_seconds: float) -> bool:
        reflector = self._reflectors[kind]
        since, started = reflector.cache.revision, self._timing.clock()
        path = f"{reflector.resource.kind.path}/{quote(name, safe='')}"
        try:
            status, item = await self._api.call("GET", path, timeout_seconds=timeout_seconds)
        except OSError:
            status, item = 0, {}
        present = status == 200 and name_of(item) == name  # noqa: PLR2004 - OK
        if not present and status != NOT_FOUND:
            self._look_again_at = self._timing.clock() + LOOK_PAUSE_SECONDS
            return False
        if reflector.cache.look(name, reflector.found(item) if present else None, since=since, at=started):
            self._swap(kind)
        return True

    def _swap(self, kind: str) -> None:
        values = self._reflectors[kind].cache.values
        frozen: Any = values if values is None else MappingProxyType(values)
        self.view = dataclasses.replace(self.view, **{kind: frozen})
        if all(
            reflector.resource.optional or reflector.cache.values is not None for reflector in self._reflectors.values()
        ):
            self.synced.set()
