"""The heartbeat over an API server that calls the webhook as its registration says: every fault is found and named."""

import asyncio
import base64
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from support.fake_store import Json
from support.heartbeat_world import (
    CONFIG_MAPS,
    EVENTS,
    INSTALLATION,
    LEASE,
    HeartbeatWorld,
    certificate,
    heartbeat_world,
    moment,
)
from support.memory_api import MUTATING

from certs.certificate import write_certificates
from certs.tls_context import LiveTls, Status
from webhook.controllers.leadership import RENEW_SECONDS, Leadership
from webhook.kube_client.clock import Clock
from webhook.names import HEARTBEAT_KEY, HEARTBEAT_NAME
from webhook.server.certificate_metrics import CertificateMetrics
from webhook.server.heartbeat_status import STATES, HeartbeatStatus
from webhook.status_words import reports_problem

WITHIN_SECONDS = 120
AKS = {"key": "control-plane", "operator": "DoesNotExist"}
AUTOPILOT = {
    "key": "kubernetes.io/metadata.name",
    "operator": "NotIn",
    "values": ["kube-system", "gke-gmp-system", "gke-managed-cim"],
}


def entry_of(item: Json, name: str) -> Json:
    """Return an entry of a registration."""
    found: Json = next(one for one in item["webhooks"] if one["name"] == f"{name}.gpu-injector.io")
    return found


def changed(name: str, change: Callable[[Json], object]) -> Callable[[HeartbeatWorld], None]:
    """Return a fault that changes one entry."""

    def happen(world: HeartbeatWorld) -> None:
        item = world.registration()
        change(entry_of(item, name))
        world.api.put(item)

    return happen


def select(**labels: str) -> Callable[[Json], object]:
    """Return a change of an entry's namespaceSelector."""
    return lambda entry: entry.update(namespaceSelector={"matchLabels": labels})


def delete_registration(world: HeartbeatWorld) -> None:
    """Delete the MutatingWebhookConfiguration."""
    world.api.remove(MUTATING)


def remove_entry(world: HeartbeatWorld) -> None:
    """Remove the entry of the heartbeat."""
    item = world.registration()
    item["webhooks"] = [one for one in item["webhooks"] if not one["name"].startswith("heartbeat")]
    world.api.put(item)


def refuse_at_once(world: HeartbeatWorld) -> None:
    """Nothing listens, or the Service has no endpoint: the connection fails at once."""
    world.api.unreachable_seconds = 0.0


def lose_packets(world: HeartbeatWorld) -> None:
    """Drop every packet, as a firewall does: each call takes the whole timeout."""
    world.api.unreachable_seconds = 3.0


def lose_packets_on_eks(world: HeartbeatWorld) -> None:
    """Drop every packet on EKS."""
    lose_packets(world)
    world.replica["platform"] = "eks.amazonaws.com/"


def become_unready(world: HeartbeatWorld) -> None:
    """No replica is ready, so the Service has no endpoint."""
    refuse_at_once(world)
    world.replica["not_ready"] = "there is no certificate yet"


def trust_another(entry: Json) -> None:
    """Write a caBundle of another authority."""
    bundle = write_certificates(certificate().bundle)
    entry["clientConfig"]["caBundle"] = base64.b64encode(bundle).decode()


def answer_too_late(world: HeartbeatWorld) -> None:
    """Call the webhook, and do not use its answer, which comes too late."""
    world.api.answers = False


FAULTS: dict[str, tuple[Callable[[HeartbeatWorld], None], str]] = {
    "registration deleted": (delete_registration, "the MutatingWebhookConfiguration gpu-injector was deleted"),
    "entry removed": (remove_entry, "the registration has no entry heartbeat.gpu-injector.io"),
    "closed port or no endpoint": (refuse_at_once, "has no ready endpoint, or nothing listens on its port"),
    "packets dropped": (lose_packets, "a NetworkPolicy or firewall between the API server and port 8443 drops it"),
    "packets dropped on EKS": (lose_packets_on_eks, "the security group of the nodes must allow port 8443"),
    "no replica ready": (become_unready, "this replica is not ready (there is no certificate yet)"),
    "wrong caBundle": (changed("heartbeat", trust_another), "does not accept the certificate that is served"),
    "empty caBundle": (
        changed("heartbeat", lambda entry: entry["clientConfig"].pop("caBundle")),
        "does not accept the certificate that is served",
    ),
    "selector changed": (
        changed("heartbeat", select(team="other")),
        "its namespaceSelector lacks kubernetes.io/metadata.name In gpu-injector; its namespaceSelector also has team",
    ),
    "rules changed": (
        changed("heartbeat", lambda entry: entry["rules"][0].update(resources=["secrets"])),
        "its rules lack CREATE configmaps (v1); its rules also name CREATE secrets (v1)",
    ),
    "condition added": (
        changed("heartbeat", lambda entry: entry["matchConditions"].append({"name": "never", "expression": "false"})),
        "its matchConditions have more than those of this version: never",
    ),
    "entry leads elsewhere": (
        changed(
            "heartbeat", lambda entry: entry["rules"].clear() or entry["clientConfig"]["service"].update(namespace="x")
        ),
        "points to another Service",
    ),
    "answer too late": (answer_too_late, "called this replica but did not use the answer"),
}


@pytest.mark.parametrize(("fault", "cause"), FAULTS.values(), ids=FAULTS)
async def test_a_fault_is_found_within_two_minutes_and_named(
    fault: Callable[[HeartbeatWorld], None], cause: str
) -> None:
    """In the log, in /state, in a metric and as an Event; and it is over when the path works again."""
    world = heartbeat_world()
    await world.until("answered", 0)
    await world.round()
    before = {kind: world.registration(kind) for kind in ("Mutating", "Validating")}
    fault(world)
    assert await world.until("missed", WITHIN_SECONDS) <= WITHIN_SECONDS
    assert cause in world.status.cause
    (facts,) = [facts for event, facts in world.told if event == "heartbeat-missed"]
    assert facts["reason"] == world.status.to_json()["cause"] == world.status.cause
    assert reports_problem("heartbeat-missed")
    ((reason, note),) = [event for event in world.events() if event[0] == "NotCalled"]
    assert (reason, cause in note) == ("NotCalled", True)
    for item in before.values():
        world.api.put(item)
    world.api.unreachable_seconds, world.api.answers, world.replica["not_ready"] = None, True, ""
    await world.until("answered", WITHIN_SECONDS)
    assert world.names()[-1] in ("heartbeat-recovered", "entry-recovered")
    assert not world.status.cause


DRIFTS: dict[str, tuple[Callable[[HeartbeatWorld], None], str]] = {
    "rules of workloads": (
        changed("workloads", lambda entry: entry["rules"][0].update(operations=["UPDATE"])),
        "workloads.gpu-injector.io: its rules lack CREATE pods (v1)",
    ),
    "selector of workloads": (
        changed("workloads", select(team="a")),
        "workloads.gpu-injector.io: its namespaceSelector lacks gpu-injector.io/inject In dry-run, enabled",
    ),
    "objects of bootstrap": (
        changed("bootstrap", lambda entry: entry.update(objectSelector={"matchLabels": {"a": "b"}})),
        "bootstrap.gpu-injector.io: its objectSelector lacks gpu-injector.io/inject NotIn disabled",
    ),
    "conditions of ephemeral": (
        changed("ephemeral", lambda entry: entry["matchConditions"].clear()),
        "ephemeral.gpu-injector.io: its matchConditions are not those of this version",
    ),
    "failurePolicy": (
        changed("workloads", lambda entry: entry.update(failurePolicy="Fail")),
        "workloads.gpu-injector.io: failurePolicy is Fail",
    ),
    "path": (
        changed("workloads", lambda entry: entry["clientConfig"]["service"].update(path="/mutate/other")),
        "workloads.gpu-injector.io: its path is /mutate/other",
    ),
    "AKS": (
        changed("bootstrap", lambda entry: entry["namespaceSelector"]["matchExpressions"].append(AKS)),
        "bootstrap.gpu-injector.io: its namespaceSelector also has control-plane DoesNotExist (AKS's",
    ),
    "GKE Autopilot": (
        changed("bootstrap", lambda entry: entry["namespaceSelector"]["matchExpressions"].append(AUTOPILOT)),
        "(GKE Autopilot adds this",
    ),
    "bootstrap removed": (
        lambda world: world.api.put(
            {
                **(item := world.registration()),
                "webhooks": [one for one in item["webhooks"] if "bootstrap" not in one["name"]],
            }
        ),
        "bootstrap.gpu-injector.io is not registered",
    ),
}


@pytest.mark.parametrize(("drift", "words"), DRIFTS.values(), ids=DRIFTS)
async def test_a_changed_entry_is_found_within_two_minutes(drift: Callable[[HeartbeatWorld], None], words: str) -> None:
    """Though the heartbeat itself is still answered."""
    world = heartbeat_world()
    await world.round()
    before = world.registration()
    drift(world)
    began = world.time.now
    while not world.status.drift:
        await world.round()
    assert world.time.now - began <= WITHIN_SECONDS
    assert words in "; ".join(world.status.drift)
    assert world.status.state == "answered"
    (facts,) = [facts for event, facts in world.told if event == "entry-drifted"]
    assert str(facts["reason"]) in "; ".join(world.status.drift)
    (note,) = [note for reason, note in world.events() if reason == "RegistrationChanged"]
    assert words in note
    world.api.put(before)
    for _ in range(3):
        await world.round()
    assert world.status.drift == ()
    assert "entry-recovered" in world.names()


async def test_a_change_during_an_upgrade_is_not_reported() -> None:
    """It is gone at the second look."""
    world = heartbeat_world()
    await world.round()
    before = world.registration()
    delete_registration(world)
    await world.round()
    world.api.put(before)
    for _ in range(4):
        await world.round()
    assert (world.told, world.events(), world.status.drift) == ([], [], ())


async def test_foreign_entries_are_an_event() -> None:
    """Log, metric, /state and page have them from the certificate's controller. Names are cut: others choose them."""
    world = heartbeat_world()
    item = world.registration()
    item["webhooks"] += [{"name": "n" * 5000, "clientConfig": {"url": "https://203.0.113.1/"}} for _ in range(9)]
    world.api.put(item)
    for _ in range(3):
        await world.round()
    ((reason, note),) = world.events()
    assert (reason, "and 6 more" in note, len(note) < 1000) == ("ForeignEntries", True, True)
    assert world.status.drift == ()


async def test_with_a_mounted_certificate_the_heartbeat_alone_reports_foreign_entries() -> None:
    """Nothing else reads the registrations then: metric, /state, and log, which the page shows."""
    world = heartbeat_world()
    world.replica["mounted"] = "yes"
    before = world.registration()
    item = world.registration()
    item["webhooks"].append({"name": "steal.example.com", "clientConfig": {"url": "https://203.0.113.1/"}})
    world.api.put(item)
    await world.round()
    assert world.told == [("entries-foreign", {"reason": "steal.example.com"})]
    registry = CollectorRegistry()
    mounted: Any = SimpleNamespace(status=Status(ready=True, reason="ok"), tls=LiveTls())
    CertificateMetrics(registry, lambda *_, **__: None).follow(mounted, world.status)
    assert registry.get_sample_value("gpu_injector_registration_foreign_entries") == 1
    assert world.status.to_json()["foreignEntries"] == 1
    world.api.put(before)
    await world.round()
    assert world.names()[-1] == "entries-recovered"
    assert registry.get_sample_value("gpu_injector_registration_foreign_entries") == 0


@pytest.mark.parametrize("status", [403, 409, 422, 429, 500])
async def test_a_heartbeat_that_another_part_refuses_is_no_alarm(status: int) -> None:
    """A quota, or an admission policy: whether we would have been called is unknown."""
    world = heartbeat_world()
    world.api.refusals["POST", CONFIG_MAPS] = status
    for _ in range(5):
        await world.round()
    assert (world.status.state, world.status.cause) == ("refused", "exceeded quota: x")
    assert world.names() == ["heartbeat-rejected"]
    assert not reports_problem("heartbeat-rejected")
    assert world.events() == []


async def test_no_answer_is_no_evidence() -> None:
    """The API server is away: that says nothing about the way from it to us."""
    world = heartbeat_world()
    world.api.refusals["POST", CONFIG_MAPS] = ConnectionError()
    for _ in range(5):
        await world.round()
    assert (world.status.state, world.events()) == ("unknown", [])


async def test_one_missed_heartbeat_is_chance() -> None:
    """A replica may have been stopped at that moment."""
    world = heartbeat_world()
    await world.round()
    refuse_at_once(world)
    await world.round()
    world.api.unreachable_seconds = None
    for _ in range(6):
        await world.round()
    assert (world.told, world.events()) == ([], [])


async def test_nothing_is_stored_and_no_pod_is_sent() -> None:
    """The only writes are the Lease and, if something is wrong, Events."""
    world = heartbeat_world()
    for _ in range(20):
        await world.round()
    assert {path for _, path in world.api.writes} <= {LEASE, LEASE.rpartition("/")[0], MUTATING}
    assert {item["metadata"]["name"] for item in world.api.tried} == {HEARTBEAT_NAME}
    assert {item["kind"] for item in world.api.tried} == {"ConfigMap"}
    assert not [address for address in world.api.store.objects if "configmaps" in address.collection]


async def test_only_the_holder_of_the_lease_sends() -> None:
    """Another replica takes over a minute after the first one is gone, and forgets what it knew when it loses it."""
    first = heartbeat_world()
    second = heartbeat_world(who="replica-b", api=first.api)
    await first.heartbeat.round()
    await second.heartbeat.round()
    assert (first.status.state, second.status.state, len(first.api.tried)) == ("answered", "standby", 1)
    first.heartbeat.stop()
    await first.heartbeat.round()
    assert len(first.api.tried) == 1
    first.time.now += 61
    await second.heartbeat.round()
    assert (second.status.state, len(first.api.tried)) == ("answered", 2)


async def test_two_loops_of_one_replica_share_the_lease() -> None:
    """Setbacks and heartbeat ask at the same time: neither takes the other for another replica."""
    world = heartbeat_world()
    clock = Clock(monotonic=lambda: world.time.now)
    leadership = Leadership(world.api, INSTALLATION, "replica-a", clock)
    for _ in range(3):
        assert list(await asyncio.gather(leadership.hold(), leadership.hold())) == [True, True]
        world.time.now += RENEW_SECONDS


@pytest.mark.parametrize(
    ("method", "path", "event"),
    [("POST", EVENTS, "beats-refused"), ("GET", LEASE, "beats-refused")],
    ids=["events", "lease"],
)
async def test_a_right_that_is_missing_is_reported(method: str, path: str, event: str) -> None:
    """Without the right to create Events, the state is known all the same."""
    world = heartbeat_world()
    world.api.refusals[method, path] = 403
    delete_registration(world)
    for _ in range(4):
        await world.round()
    assert event in world.names()
    if path == EVENTS:
        assert world.status.state == "missed"
        assert "heartbeat-missed" in world.names()


async def test_without_the_right_to_read_the_registration_the_cause_says_so() -> None:
    """It is not taken for a deleted one."""
    world = heartbeat_world()
    refuse_at_once(world)
    world.api.refusals["GET", MUTATING] = 403
    await world.until("missed", WITHIN_SECONDS)
    assert world.status.cause.startswith("the registration cannot be read")
    assert "PRIVATE" not in world.status.cause
    assert world.status.drift == ()


async def test_a_certificate_that_a_client_refused_is_the_cause() -> None:
    """With cert-manager the leaf may be another one than the replica knows."""
    world = heartbeat_world()
    await world.round()
    trusted, world.api.leaf = world.api.leaf, certificate().leaf
    assert trusted is not None
    await world.until("missed", WITHIN_SECONDS)
    assert "does not accept the certificate" in world.status.cause


async def test_events_are_bounded() -> None:
    """A path that comes and goes each minute makes a few Events an hour, and a lasting failure one an hour."""
    world = heartbeat_world()
    for number in range(120):
        world.api.unreachable_seconds = 0.0 if number // 4 % 2 else None
        await world.round()
    hours = max(1.0, (world.time.now - 1000) / 3600)
    assert len(world.events()) / hours <= 13


async def test_a_scrape_and_the_state_show_it() -> None:
    """NaN before the first success; then its time."""
    registry = CollectorRegistry()
    world = heartbeat_world()
    world.status.register(registry)
    assert str(registry.get_sample_value("gpu_injector_heartbeat_last_success_timestamp_seconds")) == "nan"
    assert world.status.to_json()["lastSuccess"] is None
    await world.heartbeat.round()
    now = moment(world).timestamp()
    assert registry.get_sample_value("gpu_injector_heartbeat_last_success_timestamp_seconds") == now
    assert world.status.to_json() == {
        "state": "answered",
        "lastSuccess": now,
        "cause": "",
        "drift": [],
        "foreignEntries": 0,
    }
    states = {state: registry.get_sample_value("gpu_injector_heartbeat", {"state": state}) for state in STATES}
    assert states == dict.fromkeys(STATES, 0.0) | {"answered": 1.0}
    assert registry.get_sample_value("gpu_injector_registration_drift") == 0


async def test_it_runs_until_it_is_cancelled() -> None:
    """Once a minute while all is well; the pauses vary by a tenth."""
    world = heartbeat_world()
    world.time.loops = 1
    synced = asyncio.Event()
    synced.set()
    task = asyncio.create_task(world.heartbeat.run(synced))
    while len(world.api.tried) < 4:  # noqa: ASYNC110 - no time passes here
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert all(54 <= pause <= 66 for pause in world.time.pauses)


def test_the_label_of_the_sent_object_is_the_one_that_the_entry_selects() -> None:
    """Otherwise no heartbeat would ever be marked."""
    entry = entry_of(heartbeat_world().registration(), "heartbeat")
    assert HEARTBEAT_KEY in entry["objectSelector"]["matchLabels"]
    assert INSTALLATION.namespace == "gpu-injector"


def test_a_replica_without_a_heartbeat_says_so() -> None:
    """`--heartbeat-seconds 0`."""
    shown: dict[str, Any] = HeartbeatStatus().to_json()
    assert shown["state"] == "off"
