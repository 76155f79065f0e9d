"""An API server that calls our webhook as its registration says, and a replica that sends heartbeats, on fake time."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import jsonpatch
import orjson
import yaml

from certs.api import Installation
from certs.certificate import KeyPair, read_certificates, verify, write_certificates
from certs.rotation import Schedule
from certs.rotation_steps import create
from certs.state_events import StateEvents
from support.fake_store import Json, StatusError
from support.fake_time import FakeTime
from support.memory_api import MUTATING, VALIDATING, MemoryApi
from support.repair_world import START
from webhook.controllers.heartbeat import Heartbeat, HeartbeatParts
from webhook.controllers.leadership import Leadership
from webhook.controllers.own_events import OwnEvents
from webhook.kube.label_selector import matches_selector
from webhook.kube_client.answer import Answer
from webhook.kube_client.client import KubeClient
from webhook.kube_client.clock import Clock
from webhook.names import HEARTBEAT_ENTRY
from webhook.policy.model import Policy
from webhook.registration.heartbeat_object import heartbeat_condition
from webhook.server.admission_review import parse_review
from webhook.server.heartbeat_status import HeartbeatStatus

HOME = "gpu-injector"
INSTALLATION = Installation()
MANIFEST = Path(__file__).parents[2] / "deploy" / "install.yaml"
CONFIG_MAPS = f"/api/v1/namespaces/{HOME}/configmaps"
EVENTS = f"/apis/events.k8s.io/v1/namespaces/{HOME}/events"
LEASE = f"/apis/coordination.k8s.io/v1/namespaces/{HOME}/leases/gpu-injector-leader"


def certificate() -> Any:  # noqa: ANN401
    """Return an authority and a leaf for the name of our Service."""
    return create(INSTALLATION.names, START, Schedule())


@cache
def _installed() -> Any:  # noqa: ANN401
    return certificate()


@cache
def _manifest() -> bytes:
    items = [item for item in yaml.safe_load_all(MANIFEST.read_text()) if item and "webhooks" in item]
    return orjson.dumps(items)


class AdmittingApi(MemoryApi):
    """The API server. It calls the webhook for a dry-run of a ConfigMap if the registration and the network let it.

    ``unreachable_seconds`` is how long a call takes before it fails; None: it succeeds. ``answers`` says whether the
    webhook's answer is used.
    """

    def __init__(self, status: HeartbeatStatus, time: FakeTime) -> None:
        super().__init__()
        self.status, self.time = status, time
        self.leaf: KeyPair | None = None
        self.unreachable_seconds: float | None = None
        self.answers = True
        self.refusals_seen = 0
        self.tried: list[Json] = []

    async def exchange(self, method: str, path: str, *, body: object = None, **options: Any) -> Answer:  # noqa: ANN401
        """Answer a dry-run; everything else is stored."""
        plain, _, query = path.partition("?")
        if (method, plain) != ("POST", CONFIG_MAPS) or query != "dryRun=All":
            return await super().exchange(method, path, body=body, **options)
        refusal = self.refusals.get((method, plain))
        if isinstance(refusal, OSError):
            raise refusal
        if refusal:
            return Answer(f"{method} {plain}", refusal, b'{"kind": "Status", "message": "exceeded quota: x"}')
        item = orjson.loads(orjson.dumps(body))
        self.tried.append(item)
        return Answer(f"{method} {plain}", 201, orjson.dumps(self._admitted(item)))

    def _admitted(self, item: Json) -> Json:
        entry = self._entry()
        if entry is None or not _selects(entry, item) or not self._connects(entry):
            return item
        review = parse_review(_review(item))
        answer = orjson.loads(self.status.answer(review))["response"]
        if not self.answers:
            return item
        patched: Json = jsonpatch.apply_patch(item, orjson.loads(base64.b64decode(answer["patch"])))
        return patched

    def _entry(self) -> Json | None:
        try:
            found = self.stored(MUTATING)
        except StatusError:
            return None
        return next((one for one in found["webhooks"] if one["name"] == HEARTBEAT_ENTRY), None)

    def _connects(self, entry: Json) -> bool:
        if self.unreachable_seconds is not None:
            self.time.now += self.unreachable_seconds
            return False
        trusted = read_certificates(base64.b64decode(entry["clientConfig"].get("caBundle", "")))
        now = START + timedelta(seconds=self.time.now)
        assert self.leaf is not None
        if verify(self.leaf.certificate, trusted, INSTALLATION.names[0], now) is None:
            self.refusals_seen += 1
            return False
        return True


def _selects(entry: Json, item: Json) -> bool:
    calls = {
        (operation, name) for rule in entry["rules"] for operation in rule["operations"] for name in rule["resources"]
    }
    home = {"kubernetes.io/metadata.name": HOME}
    return (
        ("CREATE", "configmaps") in calls
        and matches_selector(entry.get("namespaceSelector") or {}, home)
        and matches_selector(entry.get("objectSelector") or {}, item["metadata"].get("labels", {}))
        and all(one["expression"] == heartbeat_condition() for one in entry.get("matchConditions", ()))
    )


def _review(item: Json) -> bytes:
    request = {
        "uid": "u-1",
        "operation": "CREATE",
        "namespace": HOME,
        "resource": {"group": "", "version": "v1", "resource": "configmaps"},
        "object": item,
    }
    return orjson.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request})


@dataclass
class HeartbeatWorld:
    """The API server, the time, and one replica; ``told`` is what it logs."""

    api: AdmittingApi
    time: FakeTime
    heartbeat: Heartbeat
    status: HeartbeatStatus
    told: list[tuple[str, dict[str, object]]]
    replica: dict[str, str] = field(default_factory=lambda: {"not_ready": "", "platform": "", "mounted": ""})

    async def round(self) -> None:
        """Make one round, and let the longest pause pass that may follow it."""
        await self.heartbeat.round()
        self.time.now += 1.1 * self.heartbeat.pause_seconds()

    async def until(self, state: str, within_seconds: float) -> float:
        """Make rounds until the heartbeat is in a state; return how long that took."""
        began = self.time.now
        while self.status.state != state:
            assert self.time.now - began <= within_seconds, (self.status.state, self.status.cause)
            await self.round()
        return self.time.now - began

    def registration(self, kind: str = "Mutating") -> Json:
        """Return a copy of a registration, to be changed and put back."""
        return self.api.stored(MUTATING if kind == "Mutating" else VALIDATING)

    def events(self) -> list[tuple[str, str]]:
        """Return reason and note of each Event."""
        found = [item for address, item in self.api.store.objects.items() if address.collection.endswith("/events")]
        return [(item["reason"], item["note"]) for item in found]

    def names(self) -> list[str]:
        """Return the names of what was logged."""
        return [event for event, _ in self.told]


def trusted_manifest(authority: bytes) -> list[Json]:
    """Return the registrations of deploy/install.yaml with a caBundle."""
    items: list[Json] = orjson.loads(_manifest())
    for item in items:
        for entry in item["webhooks"]:
            entry["clientConfig"]["caBundle"] = base64.b64encode(authority).decode()
    return items


def heartbeat_world(
    policy: Policy | None = None, who: str = "replica-a", api: AdmittingApi | None = None
) -> HeartbeatWorld:
    """Return a healthy cluster before its first heartbeat; with ``api`` another replica of the same cluster."""
    status, content = HeartbeatStatus(), _installed()
    time = api.time if api else FakeTime()
    if api is None:
        api = AdmittingApi(status, time)
        api.leaf = content.leaf
        for item in trusted_manifest(write_certificates(content.bundle)):
            api.put(item)
    told: list[tuple[str, dict[str, object]]] = []
    replica = {"not_ready": "", "platform": "", "mounted": ""}
    clock = Clock(now=lambda: START + timedelta(seconds=time.now), monotonic=lambda: time.now, sleep=time.sleep)
    parts = HeartbeatParts(
        client=api,
        connect=lambda: _opened(api),
        installation=INSTALLATION,
        policy=policy or Policy(),
        leadership=Leadership(api, INSTALLATION, who, clock),
        events=OwnEvents(api, INSTALLATION, who, clock),
        status=status,
        state_events=StateEvents(lambda event, /, **facts: told.append((event, facts))),
        leaf=lambda: api.leaf,
        refusals=lambda: api.refusals_seen,
        foreign_is_known=lambda: not replica["mounted"],
        readiness=lambda: replica["not_ready"],
        platform=lambda: replica["platform"],
        clock=clock,
    )
    return HeartbeatWorld(api, time, Heartbeat(parts), status, told, replica)


@asynccontextmanager
async def _opened(api: KubeClient) -> AsyncIterator[KubeClient]:
    yield api


def moment(world: HeartbeatWorld) -> datetime:
    """Return the time of a world."""
    return START + timedelta(seconds=world.time.now)
