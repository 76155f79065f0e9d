"""One list+watch loop for one kind, as client-go's reflector does it, into a ``Store``.

It never ends, and never raises because of the API server: after a failure the old objects stay in use, and the loop
tries again after a pause that grows with each failure. An object that is too large is left out, alone.
"""

from collections.abc import Callable, Mapping
from contextlib import aclosing
from enum import Enum
from typing import Any
from urllib.parse import urlencode

from webhook.kube_client.api_error import ApiError, CredentialsError
from webhook.kube_client.backoff import Backoff
from webhook.kube_client.client import KubeClient
from webhook.kube_client.large_answers import PAGE_BYTES, TOO_LARGE, head_of_list, is_too_large
from webhook.kube_client.resource import Found, Resource, Store

# A bookmark comes about once a minute, unless nothing at all was written. With pauses and turns added, a quiet kind is
# listed again before its age reaches the 90 s at which a decision sends its own GET.
SILENCE_SECONDS = 70
LIST_SECONDS = 30
# A watch that lasted this long starts again with the shortest pause.
HEALTHY_SECONDS = 60
LEFT_OUT = "object-too-large"


class Ending(Enum):
    """How one round of list and watch ended."""

    CLOSED = "closed"
    ABSENT = "absent"
    LOST = "lost"


class Reflector:
    """Keeps one store current; calls ``changed`` when its values differ, ``tell`` when the watch is lost or found.

    ``is_refused`` says that a list or watch was refused for a missing right; ``changed`` is called once for that, too.
    """

    def __init__(  # noqa: PLR0913 - each is a part that the caller chooses
        self,
        client: KubeClient,
        resource: Resource,
        store: Store,
        backoff: Backoff,
        *,
        changed: Callable[[], None],
        tell: Callable[..., None],
    ) -> None:
        self.resource = resource
        self._store = store
        self._client = client
        self._backoff = backoff
        self._clock = backoff.clock
        self._changed = changed
        self._tell = tell
        self.is_refused = False
        self._told: tuple[str, str] = ("", "")
        self._must_list = True
        self._watch_failed = False

    async def run(self) -> None:
        """List and watch until cancelled."""
        while True:
            began = self._clock.monotonic()
            ending = await self._round()
            if ending is Ending.ABSENT:
                await self._backoff.pause_for_absent()
            else:
                lived = self._clock.monotonic() - began
                await self._backoff.pause(healthy=ending is Ending.CLOSED or lived >= HEALTHY_SECONDS)

    async def _round(self) -> Ending:
        """List if need be, then watch until that ends."""
        phase = "list"
        try:
            if self._must_list and not await self._list():
                return Ending.ABSENT
            phase = "watch"
            return await self._watch()
        except ApiError as error:
            self._must_list, reason = True, str(error)
            if error.is_forbidden and not self.is_refused:
                self.is_refused = True
                self._changed()
        except CredentialsError as error:
            reason = str(error)
        except TimeoutError:
            reason = "no answer in time"
        except OSError as error:
            reason = f"no answer ({error})"
        self._watch_failed = phase == "watch"
        self._note("watch-lost", reason=f"{phase}: {reason}")
        return Ending.LOST

    async def _list(self) -> bool:
        """Replace the cache by a complete list, a page at a time; False where the optional API is absent."""
        started = self._clock.monotonic()
        self._store.begin_list()
        listed: dict[str, Found] = {}
        query, size = dict(self.resource.selectors), self.resource.page_size
        while True:
            query["limit"] = str(size)
            page, is_whole = await self._page(query)
            if not is_whole and size > 1:
                size = max(size // 4, 1)
                continue
            if not is_whole:
                self._tell(LEFT_OUT, kind=self.resource.kind.field, **self.resource.part, reason="in a list")
            size = min(2 * size, self.resource.page_size)
            if page is None:
                self._replace({}, 0, started)
                self._note("api-absent")
                return False
            listed |= self._project(page)
            token = page["metadata"].get("continue") or ""
            if not token:
                break
            if token == query.get("continue"):
                raise ApiError(reason="its pages do not end")
            query["continue"] = token
        self._replace(listed, revision_of(page), started)
        self._must_list = False
        if not self._watch_failed:
            self._found()  # else only an event or a bookmark proves that the watch works again
        return True

    async def _page(self, query: Mapping[str, str]) -> tuple[dict[str, Any] | None, bool]:
        """Return a page, None where the optional API is absent; False, and no items, where it is too large."""
        path = f"{self.resource.path}?{urlencode(query)}"
        answer = await self._client.read(path, timeout_seconds=LIST_SECONDS, most_bytes=PAGE_BYTES)
        if answer.is_absent and self.resource.optional:
            return None, True
        answer.check()
        is_whole = not answer.is_cut and not is_too_large(answer.body)
        page = answer.item() if is_whole else {"items": [], **(head_of_list(answer.body) or {})}
        # A body that is not a list must not be taken for a cluster without objects.
        listing = str(page.get("kind")).endswith("List") and isinstance(page.get("items", ""), list | None)
        if not listing or revision_of(page) < 0:
            raise ApiError(reason="the answer is no list" if is_whole else "the list is too large")
        return page, is_whole

    def _project(self, page: Mapping[str, Any]) -> dict[str, Found]:
        items = [item for item in page["items"] or () if isinstance(item, dict)]
        kind = self.resource.kind
        return {kind.key(item): self.found(item) for item in items if kind.keeps(item)}

    def found(self, item: Mapping[str, Any]) -> Found:
        """Return what the view keeps of an API object."""
        return Found(revision_of(item), self.resource.kind.project(item))

    def _replace(self, listed: Mapping[str, Found], revision: int, started_at: float) -> None:
        if self._store.replace(listed, revision, started_at=started_at):
            self._changed()

    async def _watch(self) -> Ending:
        query = {
            **self.resource.selectors,
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": str(self._store.revision),
            # Limited, so that the watches spread over the API servers again after one was away.
            "timeoutSeconds": str(int(self._clock.uniform(300, 600))),
        }
        path = f"{self.resource.path}?{urlencode(query)}"
        empty = True
        try:
            async with aclosing(self._client.watch(path, read_timeout_seconds=SILENCE_SECONDS)) as events:
                async for event in events:
                    self._take(str(event["type"]), event["object"])
                    empty = False
        except TimeoutError:
            # Half-open, or a kind so quiet that the API server has no bookmark to send: in both cases a list over
            # another connection shows the current objects, or fails.
            self._must_list = True
            return Ending.CLOSED
        if empty:
            raise ApiError(reason="it ended without an event")
        return Ending.CLOSED

    def _take(self, word: str, item: Mapping[str, Any]) -> None:
        revision, now = revision_of(item), self._clock.monotonic()
        if word not in ("ADDED", "MODIFIED", "DELETED", "BOOKMARK", TOO_LARGE) or revision < 0:
            raise ApiError(reason=f"an unknown event {word}")
        if word == TOO_LARGE:
            name = self.resource.kind.key(item)
            self._tell(LEFT_OUT, kind=self.resource.kind.field, **self.resource.part, reason=name)
        if word == "BOOKMARK":
            self._store.bookmark(revision, now)
        elif self._apply(item, deleted=word in ("DELETED", TOO_LARGE), now=now):
            self._changed()
        self._found()

    def _apply(self, item: Mapping[str, Any], *, deleted: bool, now: float) -> bool:
        kind = self.resource.kind
        gone = deleted or not kind.keeps(item)
        return self._store.apply(kind.key(item), self.found(item), deleted=gone, at=now)

    def _found(self) -> None:
        self._note("watch-found", objects=len(self._store.values or ()))

    def _note(self, event: str, **facts: object) -> None:
        """Report a change of state once, not at each attempt."""
        state = (event, str(facts.get("reason", "")))
        if state != self._told:
            self._told = state
            self._tell(event, kind=self.resource.kind.field, **self.resource.part, **facts)


# etcd's revisions are 64-bit numbers, and Python refuses to read one of thousands of digits.
DIGITS = 20


def revision_of(item: Mapping[str, Any]) -> int:
    """Return ``metadata.resourceVersion`` as a number, -1 where there is none."""
    metadata = item.get("metadata")
    text = metadata.get("resourceVersion") if isinstance(metadata, dict) else None
    return int(text) if isinstance(text, str) and len(text) <= DIGITS and text.isdecimal() else -1
