"""The loop of one replica: when it reads, what it reports, and what probes and metrics show."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import pytest
from support.certificate_secrets import NOW, OURS
from support.memory_api import MUTATING, SECRET, MemoryApi, registration

from certs.api import Installation
from certs.certificate import KeyPair
from certs.controller import MAX_READS, CertificateController
from certs.secret_content import read_content
from certs.tls_context import LiveTls
from certs.writer import REPAIR_LIMIT
from webhook.kube_client.clock import Clock


class Loop:
    """A controller whose sleeps are recorded and end only when the test says so."""

    def __init__(self, api: MemoryApi, tls: LiveTls | None = None) -> None:
        self.api = api
        self.elapsed = 0.0
        self.pauses: list[float] = []
        self.events: list[tuple[str, object]] = []
        self._asleep, self._over = asyncio.Event(), asyncio.Event()
        clock = Clock(
            now=self._now, monotonic=lambda: self.elapsed, sleep=self._sleep, uniform=lambda low, high: (low + high) / 2
        )
        self.controller = CertificateController(api, OURS, who="replica", on_change=self._note, clock=clock, tls=tls)

    def _now(self) -> datetime:
        return NOW + timedelta(seconds=self.elapsed)

    def _note(self, event: str, /, **facts: object) -> None:
        self.events.append((event, facts.get("reason")))

    async def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self._asleep.set()
        await self._over.wait()
        self._over.clear()
        self.elapsed += seconds

    async def reads(self, count: int = 1) -> None:
        """Run the controller until it sleeps again, `count` times."""
        for _ in range(count):
            if self.pauses:
                self._over.set()
            await self._asleep.wait()
            self._asleep.clear()


@asynccontextmanager
async def running(loop: Loop) -> AsyncIterator[Loop]:
    """Run a controller's loop for the length of a test."""
    task = asyncio.create_task(loop.controller.run())
    yield loop
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def api() -> MemoryApi:
    """Return an API server with our registration."""
    api = MemoryApi()
    api.put(registration())
    return api


async def test_the_first_read_serves_and_registers(api: MemoryApi) -> None:
    """At once; the next read comes within the minute."""
    async with running(Loop(api)) as loop:
        await loop.reads()
        assert loop.controller.tls.leaf == read_content(api.stored(SECRET)).leaf
        assert "caBundle" in api.stored(MUTATING)["webhooks"][0]["clientConfig"]
        await loop.reads(2)
    assert loop.pauses == [50.0] * 3
    assert [event for event, _ in loop.events] == [
        "registration-ours",
        "secret-written",
        "leaf-served",
        "waiting",
        "ca-bundle-written",
        "api-answers",
    ]


@pytest.mark.parametrize(("jitter", "pause"), [(0.0, 45.0), (0.5, 50.0), (0.999, 54.99)])
async def test_replicas_spread_their_looks_and_heal_within_a_minute(
    jitter: float, pause: float, api: MemoryApi
) -> None:
    """Replicas of a Deployment do not read at the same times forever."""
    pauses: asyncio.Queue[float] = asyncio.Queue()

    async def sleep(seconds: float) -> None:
        await pauses.put(seconds)
        await asyncio.Event().wait()

    def unheard(_event: str, /, **_facts: object) -> None:
        """Ignore the event."""

    clock = Clock(now=lambda: NOW, sleep=sleep, uniform=lambda low, high: low + (high - low) * jitter)
    task = asyncio.create_task(CertificateController(api, OURS, who="replica", on_change=unheard, clock=clock).run())
    assert await pauses.get() == pytest.approx(pause, abs=0.02)
    task.cancel()


async def test_without_a_leaf_the_next_look_comes_soon(api: MemoryApi) -> None:
    """The API server cannot be reached at the start: reported once, retried with backoff, and not ready."""
    api.refusals["GET", MUTATING] = ConnectionRefusedError("PRIVATE")
    async with running(Loop(api)) as loop:
        await loop.reads(6)
        assert (loop.controller.status.ready, loop.controller.status.reason) == (False, "starting")
        api.refusals.clear()
        await loop.reads()
        assert loop.controller.status.ready
    assert loop.pauses == [1, 2, 4, 5, 5, 5, 50]
    assert loop.events[0] == ("api-unreachable", "ConnectionRefusedError")
    assert [event for event, _ in loop.events].count("api-unreachable") == 1
    assert loop.events[-1][0] == "api-answers"


async def test_with_a_leaf_failures_are_tried_again_ever_later(api: MemoryApi) -> None:
    """The webhook keeps serving; pauses grow from one second to the normal interval."""
    async with running(Loop(api)) as loop:
        await loop.reads()
        api.refusals["GET", SECRET] = 403
        await loop.reads(8)
        assert loop.controller.status.ready
        assert loop.controller.tls.leaf is not None
        api.refusals.clear()
        await loop.reads(2)
    assert loop.pauses[1:] == [1, 2, 4, 8, 16, 32, 50, 50, 50, 50]
    assert ("api-refused", f"GET {SECRET}: 403 Refused") in loop.events


async def test_waiting_for_a_registration_looks_often(api: MemoryApi) -> None:
    """The manifest's parts are applied one after the other."""
    api.remove(MUTATING)
    async with running(Loop(api)) as loop:
        await loop.reads(5)
        assert loop.controller.status.ready
    assert loop.pauses == [1, 2, 4, 5, 5]


async def test_races_that_are_lost_again_and_again_are_not_run_for_ever(api: MemoryApi) -> None:
    """A few tries at once, a few later, and then it is reported."""
    api.refusals["POST", SECRET.rsplit("/", 1)[0]] = 409
    async with running(Loop(api)) as loop:
        await loop.reads(3)
        assert loop.events.count(("secret-race-lost", "no-secret")) == 1
        assert ("secret-contested", "undone-too-often") in loop.events
    assert loop.pauses == [1, 2, 4]
    assert api.requests["POST", SECRET.rsplit("/", 1)[0]] == REPAIR_LIMIT > MAX_READS


async def test_what_expires_when_is_shown(api: MemoryApi) -> None:
    """The expiry of the served leaf and of its authority, for the metric."""
    async with running(Loop(api)) as loop:
        await loop.reads()
        content = read_content(api.stored(SECRET))
        status = loop.controller.status
    assert (status.ready, status.reason) == (True, "ok")
    assert status.leaf_expires == content.leaf.parse().not_valid_after_utc
    assert status.authority_expires == content.bundle[0].not_valid_after_utc


class Refusing(LiveTls):
    """A listener that refuses every leaf, like an OpenSSL with stricter rules."""

    def __init__(self) -> None:
        super().__init__()
        self.strict = False

    def present(self, leaf: KeyPair) -> None:
        """Refuse."""
        if self.strict:
            raise ValueError("OpenSSL refuses the pair: EE_KEY_TOO_SMALL")
        super().present(leaf)


async def test_a_replica_that_alone_cannot_serve_is_not_ready(api: MemoryApi) -> None:
    """The others serve what the API server accepts; this one's leaf expired, and it cannot take the new one."""
    tls = Refusing()
    async with running(Loop(api, tls)) as loop:
        await loop.reads()
        tls.strict = True
        loop.elapsed += timedelta(days=91).total_seconds()
        await loop.reads()
        assert (loop.controller.status.ready, loop.controller.status.reason) == (False, "leaf-refused")
        assert ("leaf-unusable", "OpenSSL refuses the pair: EE_KEY_TOO_SMALL") in loop.events
        tls.strict = False
        await loop.reads()
        assert loop.controller.status.ready


def test_the_leafs_names_begin_with_the_services() -> None:
    """The API server uses this name when it calls a Service; for a URL it uses the host of the URL."""
    assert Installation("ns", "name", ("::1",)).names == ("name.ns.svc", "::1")
