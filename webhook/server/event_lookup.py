"""Which failures the Events of a namespace show: looked up when a pod is to be patched, and remembered for 30 s.

Users choose how many Events their namespace has, and how large these are. So a lookup reads a few pages of limited
size within 300 ms; what it has read by then counts, and no answer counts as no failure.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from urllib.parse import quote, urlencode

from certs.state_events import StateEvents
from webhook.decide.decision import Verdict
from webhook.kube.json_size import count_values
from webhook.kube.metadata import metadata
from webhook.kube.values import items, text
from webhook.kube_client.answer import json_object
from webhook.kube_client.api_error import ApiError
from webhook.kube_client.client import KubeClient
from webhook.kube_client.clock import Clock
from webhook.observations.workload_failure import MAX_FAILURES, EventReason, WorkloadFailure
from webhook.server.workload_setbacks import WorkloadSetbacks
from webhook.view.event_projection import failures_of

LOOKUP_SECONDS = 0.3
FRESH_SECONDS = 30.0
PAGE_SIZE = 100
MAX_PAGES = 5
MAX_PAGE_BYTES = 2**19
# Of one page: its parser keeps the interpreter's lock. 100 Events of a kubelet have about 6,000.
MAX_VALUES = 20_000
# Of all that is remembered.
MAX_ENTRIES, MAX_CHARACTERS = 1000, 4_000_000
LOOKUPS_AT_ONCE = 8

Key = tuple[str, EventReason]
Failures = tuple[WorkloadFailure, ...]


class FailureSource(Protocol):
    """Where the server gets the failures of workloads."""

    async def failures(self, namespace: str, reasons: Collection[EventReason]) -> Failures:
        """Return the failures that the Events of a namespace show, as far as they could be read in time."""
        ...

    def note(self, verdict: Verdict, namespace: str) -> None:
        """Note that a pod of a namespace was left alone because of them; ``verdict`` is what it would have got."""
        ...


@dataclass(frozen=True, slots=True)
class _Entry:
    failures: Failures
    until: float

    @property
    def characters(self) -> int:
        return sum(len(one.message) for one in self.failures)


class EventLookup:
    """Looks up the failures of workloads. ``state_events`` reports that Events may not be read, and that they may."""

    def __init__(self, client: KubeClient, state_events: StateEvents, setbacks: WorkloadSetbacks, clock: Clock) -> None:
        self._client, self._state_events, self._clock = client, state_events, clock
        self.note = setbacks.note
        self._entries: OrderedDict[Key, _Entry] = OrderedDict()
        self._characters = 0
        self._running: dict[Key, asyncio.Task[Failures]] = {}
        self._turns = asyncio.Semaphore(LOOKUPS_AT_ONCE)

    async def failures(self, namespace: str, reasons: Collection[EventReason]) -> Failures:
        """Return the failures of the last hour, as far as they could be read in time."""
        found = {(namespace, reason): self._remembered((namespace, reason)) for reason in reasons}
        asked = [key for key, failures in found.items() if failures is None]
        # Where all is remembered, the request does not wait for its turn in the event loop.
        if asked:
            found.update(zip(asked, await asyncio.gather(*map(self._of, asked)), strict=True))
        return tuple(failure for some in found.values() for failure in some or ())

    def _remembered(self, key: Key) -> Failures | None:
        entry = self._entries.get(key)
        return entry.failures if entry is not None and entry.until > self._clock.monotonic() else None

    async def _of(self, key: Key) -> Failures:
        task = self._running.get(key)
        if task is None:
            task = self._running[key] = asyncio.create_task(self._look(key))
            task.add_done_callback(lambda _: self._running.pop(key))
        # The request that started the lookup may end before it; others still wait for the answer.
        return await asyncio.shield(task)

    async def _look(self, key: Key) -> Failures:
        found: list[WorkloadFailure] = []
        began = False
        try:
            async with asyncio.timeout(LOOKUP_SECONDS), self._turns:
                began = True
                await self._read(key, found)
        except ApiError as error:
            self._state_events.report("events", "events-unreadable", reason=error.with_request)
        except OSError:
            # No answer, or a page that is too large: that concerns one namespace, or one moment.
            pass
        else:
            self._state_events.resolve("events", "events-readable")
        # Too many lookups of other namespaces say nothing about this one.
        return self._remember(key, tuple(found[:MAX_FAILURES])) if began else ()

    async def _read(self, key: Key, found: list[WorkloadFailure]) -> None:
        """Read some pages of Events, and add their failures; pages that were read before an error count."""
        namespace, reason = key
        place = f"/api/v1/namespaces/{quote(namespace, safe='')}/events"
        query = {"fieldSelector": f"reason={reason}", "limit": str(PAGE_SIZE)}
        token = ""
        for _ in range(MAX_PAGES):
            path = f"{place}?{urlencode(query | ({'continue': token} if token else {}))}"
            answer = await self._client.read(path, timeout_seconds=LOOKUP_SECONDS, most_bytes=MAX_PAGE_BYTES)
            if answer.is_cut:
                raise ConnectionError("the answer is too large")
            if answer.is_expired and token:
                return
            answer.check()
            # In a thread: the expressions that find a cause take some milliseconds for a page.
            page = await asyncio.to_thread(parse_page, answer.body, namespace, self._clock.now)
            found += (one for one in page.failures if one.reason is reason)
            token = page.following
            if not token or len(found) >= MAX_FAILURES:
                return

    def _remember(self, key: Key, failures: Failures) -> Failures:
        entry = _Entry(failures, self._clock.monotonic() + FRESH_SECONDS)
        self._forget(key)
        self._entries[key] = entry
        self._characters += entry.characters
        while len(self._entries) > MAX_ENTRIES or self._characters > MAX_CHARACTERS:
            self._forget(next(iter(self._entries)))
        return failures

    def _forget(self, key: Key) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._characters -= entry.characters


@dataclass(frozen=True, slots=True)
class FailurePage:
    """The failures of one page of Events, and the token of the following page, empty for none."""

    failures: Failures
    following: str


def parse_page(body: bytes, namespace: str, now: Callable[[], datetime]) -> FailurePage:
    """Return what a page of Events shows. Raises ConnectionError for a page of too many values, or of none."""
    if count_values(body) > MAX_VALUES:
        raise ConnectionError("the answer has too many values")
    found = json_object(body)
    if found is None:
        raise ConnectionError("the answer is no JSON object")
    failures = failures_of(items(found.get("items")), namespace, now())
    return FailurePage(failures, text(metadata(found).get("continue")))
