"""A cluster in miniature: replicas stepped call by call over one API server, and what its cache may still believe.

The invariant is checked by signatures and dates alone, not by the code that makes certificates; `openssl` is asked too.
"""

import base64
import json
import subprocess
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from certs.api import Installation
from certs.certificate import KeyPair
from certs.controller import CertificateController
from certs.rotation import Schedule
from certs.secret_content import ROTATE_ANNOTATION
from certs.tls_context import LiveTls
from support.fake_store import Change
from support.memory_api import SECRET, MemoryApi, Turn
from webhook.kube_client.answer import Answer
from webhook.kube_client.client import KubeClient
from webhook.kube_client.clock import Clock

START = datetime(2026, 1, 1, tzinfo=UTC)
NAME = "gpu-injector.gpu-injector.svc"
CACHE = timedelta(seconds=60)
SCHEDULE = Schedule(authority_lifetime=timedelta(days=30), leaf_lifetime=timedelta(days=12))


@dataclass(frozen=True)
class Meeting:
    """A leaf under a caBundle: when they first met, and from when to when each chain that a verifier finds is valid."""

    first: datetime
    chains: tuple[tuple[datetime, datetime], ...]


@dataclass
class Replica:
    """One replica: its controller, and its unfinished tick."""

    controller: CertificateController
    last_tick: timedelta
    running: Coroutine[Any, Any, bool] | None = None


class Shown(LiveTls):
    """A listener without its socket: what is presented is what an API server would meet."""

    def __init__(self) -> None:
        self.leaf: KeyPair | None = None

    def present(self, leaf: KeyPair) -> None:
        """Take note of it."""
        self.leaf = leaf


class Line(KubeClient):
    """A replica's client of the API server, which a test may listen to."""

    def __init__(self, world: "World") -> None:
        self.world = world

    async def exchange(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        content_type: str = "application/json",
        timeout_seconds: float = 10,
    ) -> Answer:
        """Notify the listeners, act at once, and answer a turn later."""
        assert timeout_seconds > 0
        for listen in self.world.listeners:
            listen(method, path)
        status, item = self.world.api.answer(method, path, body, content_type)
        await Turn()
        return Answer(f"{method} {path}", status, json.dumps(item).encode())


@dataclass
class World:
    """The API server, the true time since START, replicas by name with their clocks' errors, and past caBundles.

    `guarded` turns the check of the invariant off where what comes next breaks it from outside.
    """

    skews: dict[str, timedelta]
    schedule: Schedule = SCHEDULE
    installation: Installation = field(default_factory=Installation)
    elapsed: timedelta = timedelta()
    guarded: bool = True
    api: MemoryApi = field(default_factory=MemoryApi)
    replicas: dict[str, Replica] = field(default_factory=dict)
    events: list[tuple[str, str, dict[str, object]]] = field(default_factory=list)
    bundles: list[tuple[timedelta, tuple[bytes, ...]]] = field(default_factory=list)
    met: dict[tuple[bytes, bytes], Meeting] = field(default_factory=dict)
    listeners: list[Callable[[str, str], None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.api.store.on_change = self._note_bundles
        for name in self.skews:
            self.start(name)

    def start(self, name: str) -> None:
        """Start a replica, or start it again with nothing in its memory."""
        if name in self.replicas and (running := self.replicas[name].running):
            running.close()
        clock = Clock(
            now=lambda: START + self.elapsed + self.skews[name],
            monotonic=lambda: self.elapsed / timedelta(seconds=1),
            uniform=lambda low, high: (low + high) / 2,
        )

        def on_change(event: str, /, **facts: object) -> None:
            self.events.append((name, event, facts))

        controller = CertificateController(
            Line(self),
            self.installation,
            who=name,
            on_change=on_change,
            schedule=self.schedule,
            clock=clock,
            tls=Shown(),
        )
        self.replicas[name] = Replica(controller, self.elapsed)

    def step(self, name: str) -> bool:
        """Let a replica go on to its next request; return whether it finished its tick."""
        replica = self.replicas[name]
        replica.running = replica.running or replica.controller.tick()
        try:
            replica.running.send(None)
        except StopIteration:
            replica.running, replica.last_tick = None, self.elapsed
            return True
        finally:
            self.check()
        return False

    def tick(self, name: str) -> None:
        """Let a replica finish its tick, or do one."""
        while not self.step(name):
            pass

    def rest(self) -> None:
        """Let every replica finish, and tick once more, so that each saw what the others did last."""
        for name in (*self.replicas, *self.replicas):
            self.tick(name)

    def wait(self, time: timedelta) -> None:
        """Let time pass; what is served and cached meanwhile is judged at its end."""
        self.elapsed += time
        self.check()

    def minutes(self, count: int) -> None:
        """Let minutes pass in which every replica ticks once."""
        for _ in range(count):
            self.wait(timedelta(seconds=50))
            for name in self.replicas:
                self.tick(name)

    def ask(self, rotation: str) -> None:
        """Ask for a rotation as `certs rotate` does, if there is a Secret to ask for it."""
        if any(address.resource == "secrets" for address in self.api.store.objects):
            secret = self.api.stored(SECRET)
            secret["metadata"].setdefault("annotations", {})[ROTATE_ANNOTATION] = rotation
            self.api.put(secret)

    def check(self) -> None:
        """No API server, its cache being up to a minute old, refuses a leaf that is served."""
        for replica in self.replicas.values():
            if (leaf := replica.controller.tls.leaf) and self.guarded:
                for bundle in self._cached():
                    self._meet(leaf.certificate, bundle)

    def ask_openssl(self, folder: Path) -> None:
        """Let OpenSSL verify every leaf under every caBundle that it met, at the time when it did."""
        for (leaf, bundle), meeting in self.met.items():
            (folder / "leaf.crt").write_bytes(leaf)
            (folder / "ca.crt").write_bytes(bundle)
            command = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", NAME]
            command += [
                "-attime",
                str(int(meeting.first.timestamp())),
                "-CAfile",
                str(folder / "ca.crt"),
                str(folder / "leaf.crt"),
            ]
            ran = subprocess.run(command, capture_output=True, text=True, check=False)
            assert ran.returncode == 0, ran.stderr

    def _cached(self) -> set[bytes]:
        ends = [*(at for at, _ in self.bundles[1:]), timedelta.max]
        current = [entries for end, (_, entries) in zip(ends, self.bundles, strict=False) if end > self.elapsed - CACHE]
        # An empty caBundle was never written, or was emptied by another client: no leaf verifies under it.
        return {bundle for entries in current for bundle in entries if bundle}

    def _meet(self, leaf: bytes, bundle: bytes) -> None:
        now = START + self.elapsed
        if (leaf, bundle) not in self.met:
            self.met[leaf, bundle] = Meeting(now, _chains(leaf, bundle))
        accepted = any(begin <= now <= end for begin, end in self.met[leaf, bundle].chains)
        assert accepted, f"refused {self.elapsed} after the start: {self.events[-12:]}"

    def _note_bundles(self, change: Change) -> None:
        if change.address.resource.endswith("webhookconfigurations"):
            self.bundles.append((self.elapsed, tuple(entry_bundles(self.api))))


def entry_bundles(api: MemoryApi) -> list[bytes]:
    """Return the caBundle (PEM) of each entry of both registrations, as the API server holds it now."""
    found = [api.store.objects.get(address) for address in api.store.objects if "webhookconf" in address.collection]
    entries = [webhook for one in found if one for webhook in one["webhooks"]]
    return [base64.b64decode(entry["clientConfig"].get("caBundle", "")) for entry in entries]


def _chains(leaf: bytes, bundle: bytes) -> tuple[tuple[datetime, datetime], ...]:
    bottom = x509.load_pem_x509_certificate(leaf)
    tops = [one for one in x509.load_pem_x509_certificates(bundle) if _issued(one, bottom)]
    begins = [max(top.not_valid_before_utc, bottom.not_valid_before_utc) for top in tops]
    ends = [min(top.not_valid_after_utc, bottom.not_valid_after_utc) for top in tops]
    return tuple(zip(begins, ends, strict=True))


def _issued(authority: x509.Certificate, leaf: x509.Certificate) -> bool:
    try:
        leaf.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
