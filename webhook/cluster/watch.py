"""One list+watch loop for one kind, as client-go's reflector does it, into a ``KindCache``.

It never ends and never raises for what the API server does: whatever goes wrong, the old objects stay in service and
the loop tries again after a pause that grows with every failure.
"""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol
from urllib.parse import urlencode

from webhook.cluster.retry import Backoff
from webhook.view.projections import Kind
from webhook.view.store import Found, KindCache

# A bookmark comes about once a minute, unless nothing at all was written. With pauses and turns added, a quiet kind is
# listed again before its age reaches the 90 s at which decisions ask for themselves.
SILENCE_SECONDS = 70
LIST_SECONDS = 30
# Whoever followed for this long without trouble starts again with the shortest pause.
HEALTHY_SECONDS = 60
NOT_FOUND = 404


class Api(Protocol):
    """What is needed of ``webhook.cluster.api.ApiServer``."""

    async def call(self, method: str, path: str, *, timeout_seconds: float) -> tuple[int, dict[str, Any]]:
        """Return status and JSON object; ``OSError`` when no answer came."""
        ...

    def watch(self, path: str, *, read_timeout_seconds: float) -> AsyncGenerator[dict[str, Any], None]:
        """Yield watch events; ``OSError`` when the connection is lost."""
        ...


@dataclass(frozen=True, slots=True)
class Resource:
    """One row of what is watched. An optional kind may have no API in this cluster: then it has no objects.

    ``page_size`` bounds how long one page keeps the event loop busy. ``namespace`` is empty for all of them. Several
    rows of one kind, with other namespaces or selectors, are told together.
    """

    kind: Kind
    optional: bool = False
    page_size: int = 100
    selectors: Mapping[str, str] = field(default_factory=dict)
    namespace: str = ""

    @property
    def path(self) -> str:
        """The path of the list."""
        if not self.namespace:
            return self.kind.path
        group, _, plural = self.kind.path.rpartition("/")
        return f"{group}/namespaces/{self.namespace}/{plural}"

    @property
    def part(self) -> Mapping[str, str]:
        """Which part of its kind this is, for people; nothing where it is all of it."""
        return {"namespace": self.namespace, **self.selectors} if self.namespace else self.selectors


class WatchError(Exception):
    """The API server answered, but with nothing to go on; the text is the reason."""


class Ending(Enum):
    """How one round of list and watch ended."""

    CLOSED = "closed"
    ABSENT = "absent"
    LOST = "lost"


class Reflector:
    """Keeps one cache current; calls ``changed`` when its values differ, ``tell`` when the watch is lost or found."""

    def __init__(
        self,
        api: Api,
        resource: Resource,
        backoff: Backoff,
        *,
        changed: Callable[[], None],
        tell: Callable[..., None],
    ) -> None:
        self.resource = resource
        self.cache = KindCache()
        self._api = api
        self._backoff = backoff
        self._timing = backoff.timing
        self._changed = changed
        self._tell = tell
        self._told: tuple[str, str] = ("", "")
        self._must_list = True
        self._watch_failed = False

    async def run(self) -> None:
        """List and watch until cancelled."""
        while True:
            began = self._timing.clock()
            ending = await self._round()
            if ending is Ending.ABSENT:
                await self._backoff.pause_for_absent()
            else:
                lived = self._timing.clock() - began
                await self._backoff.pause(healthy=ending is Ending.CLOSED or lived >= HEALTHY_SECONDS)

    async def _round(self) -> Ending:
        """List if need be, then watch until that ends."""
        phase = "list"
        try:
            if self._must_list and not await self._list():
                return Ending.ABSENT
            phase = "watch"
            return await self._watch()
        except WatchError as error:
            self._must_list, reason = True, str(error)
        except TimeoutError:
            reason = "no answer in time"
        except OSError as error:
            reason = f"no answer ({error})"
        self._watch_failed = phase == "watch"
        self._note("watch-lost", reason=f"{phase}: {reason}")
        return Ending.LOST

    async def _list(self) -> bool:
        """Replace the cache by a complete list, a page at a time; False where the optional API is absent."""
        started = self._timing.clock()
        self.cache.begin_list()
        listed: dict[str, Found] = {}
        query = {**self.resource.selectors, "limit": str(self.resource.page_size)}
        while True:
            page = await self._page(query)
            if page is None:
                self._replace({}, 0, started)
                self._note("api-absent")
                return False
            listed |= self._project(page)
            token = page["metadata"].get("continue") or ""
            if not token:
                break
            if token == query.get("continue"):
                raise WatchError("its pages do not end")
            query["continue"] = token
        self._replace(listed, revision_of(page), started)
        self._must_list = False
        if not self._watch_failed:
            self._found()  # else only an event or a bookmark proves that the watch works again
        return True

    async def _page(self, query: Mapping[str, str]) -> dict[str, Any] | None:
        path = f"{self.resource.path}?{urlencode(query)}"
        status, page = await self._api.call("GET", path, timeout_seconds=LIST_SECONDS)
        if status == NOT_FOUND and self.resource.optional:
            return None
        if status != 200:  # noqa: PLR2004 - OK
            raise WatchError(f"{status} {page.get('reason', '')}".rstrip())
        # An empty or foreign body must not pass for a cluster without objects.
        listing = str(page.get("kind")).endswith("List") and isinstance(page.get("items", ""), list | None)
        if not listing or revision_of(page) < 0:
            raise WatchError("the answer is no list")
        return page

    def _project(self, page: Mapping[str, Any]) -> dict[str, Found]:
        items = [item for item in page["items"] or () if isinstance(item, dict)]
        kind = self.resource.kind
        return {kind.key(item): self.found(item) for item in items if kind.keeps(item)}

    def found(self, item: Mapping[str, Any]) -> Found:
        """Return what the view keeps of an API object."""
        return Found(revision_of(item), self.resource.kind.project(item))

    def _replace(self, listed: Mapping[str, Found], revision: int, started_at: float) -> None:
        if self.cache.replace(listed, revision, started_at=started_at):
            self._changed()

    async def _watch(self) -> Ending:
        query = {
            **self.resource.selectors,
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": str(self.cache.revision),
            # Not for ever, so that the watches spread over the API servers again after one was away.
            "timeoutSeconds": str(int(self._timing.uniform(300, 600))),
        }
        path = f"{self.resource.path}?{urlencode(query)}"
        empty = True
        try:
            async with aclosing(self._api.watch(path, read_timeout_seconds=SILENCE_SECONDS)) as events:
                async for event in events:
                    self._take(str(event["type"]), event["object"])
                    empty = False
        except TimeoutError:
            # Half-open, or a kind so quiet that the API server has no bookmark to send: a list over another
            # connection shows the present in either case, and fails if there is something to tell.
            self._must_list = True
            return Ending.CLOSED
        if empty:
            raise WatchError("it ended without an event")
        return Ending.CLOSED

    def _take(self, word: str, item: Mapping[str, Any]) -> None:
        revision, now = revision_of(item), self._timing.clock()
        if word not in ("ADDED", "MODIFIED", "DELETED", "BOOKMARK") or revision < 0:
            raise WatchError(f"{item.get('code', word)} {item.get('reason', '')}".rstrip())
        if word == "BOOKMARK":
            self.cache.bookmark(revision, now)
        elif self._apply(item, deleted=word == "DELETED", now=now):
            self._changed()
        self._found()

    def _apply(self, item: Mapping[str, Any], *, deleted: bool, now: float) -> bool:
        kind = self.resource.kind
        gone = deleted or not kind.keeps(item)
        return self.cache.apply(kind.key(item), self.found(item), deleted=gone, at=now)

    def _found(self) -> None:
        self._note("watch-found", objects=len(self.cache.values or ()))

    def _note(self, event: str, **facts: object) -> None:
        """Tell a change of state once, however often it is tried."""
        state = (event, str(facts.get("reason", "")))
        if state != self._told:
            self._told = state
            self._tell(event, kind=self.resource.kind.field, **self.resource.part, **facts)


def revision_of(item: Mapping[str, Any]) -> int:
    """Return ``metadata.resourceVersion`` as a number, -1 where there is none."""
    metadata = item.get("metadata")
    text = metadata.get("resourceVersion") if isinstance(metadata, dict) else None
    return int(text) if isinstance(text, str) and text.isdecimal() else -1
