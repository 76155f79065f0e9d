"""`repair: evict` over a fake API server, fake time, and a webhook that answers over real TLS."""

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web
from support.fake_api import FakeApi
from support.plugin_world import NAMESPACE, node, pod_of
from support.repair_world import INSTALLATION, PODS, World, world

from certs.tls_context import standalone_tls
from webhook.controllers.plugin_rounds import ROUND_SECONDS
from webhook.observations.eviction import History
from webhook.observations.stored_state import read_state
from webhook.policy.model import Bootstrap, Policy
from webhook.server.app import Webhook
from webhook.server.decide_live import FixedView
from webhook.server.decision_log import DecisionLog, open_log
from webhook.server.metrics import Metrics
from webhook.view.view import ClusterView

EVICT = Policy(bootstrap=Bootstrap(repair="evict"))
LEASE = "/apis/coordination.k8s.io/v1/namespaces/gpu-injector/leases/gpu-injector-leader"
STATE = "/api/v1/namespaces/gpu-injector/configmaps/gpu-injector-state"
REGISTRATION = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/gpu-injector"
OURS = {"kubernetes.io/metadata.name": NAMESPACE}
PLUGIN_POD = "nvidia-device-plugin-daemonset"

# Rounds until a pod that was blind from the first on counts as blind.
SETTLED = 4
MINUTE = 60 // ROUND_SECONDS


@pytest.fixture
async def served() -> AsyncIterator[tuple[int, bytes]]:
    """Serve the webhook on loopback for its Service's name; return the port, and the authority's certificate."""
    tls, authority = standalone_tls(INSTALLATION.names)
    app = Webhook(Policy(), FixedView(ClusterView()), DecisionLog(open_log(), Metrics.create())).application()
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    yield runner.addresses[0][1], authority
    await runner.cleanup()


@pytest.fixture
async def fake(served: tuple[int, bytes]) -> AsyncIterator[FakeApi]:
    """Serve the registration that points to the webhook's Service."""
    port, authority = served
    async with FakeApi() as api:
        api.put(service(), registration(port, authority))
        yield api


@pytest.fixture
async def one(fake: FakeApi, tmp_path: Path) -> AsyncIterator[World]:
    """Start one replica, with two nodes that have a blind pod."""
    async with world(fake, tmp_path, EVICT) as made:
        made.add_blind("gpu-1", "gpu-2")
        yield made


def service(address: str = "127.0.0.1") -> dict[str, Any]:
    """Return the Service."""
    metadata = {"name": "gpu-injector", "namespace": "gpu-injector"}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"clusterIP": address}}


def registration(port: int, authority: bytes, **entry: object) -> dict[str, Any]:
    """Return the registration of the entry for plugin pods."""
    service = {"name": "gpu-injector", "namespace": "gpu-injector", "path": "/mutate/bootstrap", "port": port}
    selector = {"matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "In", "values": [NAMESPACE]}]}
    client = {"service": service, "caBundle": base64.b64encode(authority).decode()}
    webhook = {"name": "bootstrap.gpu-injector.io", "clientConfig": client, "namespaceSelector": selector, **entry}
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": "gpu-injector"},
        "webhooks": [{"name": "workloads.gpu-injector.io", "clientConfig": client}, webhook],
    }


def make_anew(world: World, name: str, **spec: Any) -> None:  # noqa: ANN401
    """Act as the DaemonSet controller and the kubelet, and as the webhook if the spec says so."""
    world.fake.put(pod_of(world.owner, name, **spec))


def history(world: World) -> History:
    """Return the evictions that are stored."""
    return read_state(world.fake.get(STATE)["data"]["state.json"]).evictions


def evictions(world: World) -> list[str]:
    """Return the nodes of the requested evictions, in order."""
    asked = (request for request in world.fake.requests if request.path.endswith("/eviction"))
    return [orjson.loads(request.body)["metadata"]["name"].removeprefix(f"{PLUGIN_POD}-") for request in asked]


async def test_a_blind_pod_is_evicted(one: World) -> None:
    """Exactly that pod: stored before, counted, logged, and with an Event on the DaemonSet."""
    blind = one.fake.get(f"{PODS}/{PLUGIN_POD}-gpu-1")
    await one.rounds(SETTLED)
    (eviction,) = one.posted(f"{PODS}/{PLUGIN_POD}-gpu-1/eviction")
    assert (eviction["apiVersion"], eviction["kind"]) == ("policy/v1", "Eviction")
    assert eviction["deleteOptions"] == {"preconditions": {"uid": blind["metadata"]["uid"]}}
    assert history(one)["gpu-1"].pod == blind["metadata"]["uid"]
    lease = one.fake.get(LEASE)["spec"]
    assert (lease["holderIdentity"], lease["leaseDurationSeconds"]) == ("replica-0", 60)
    (replica,) = one.replicas
    assert replica.sample("evictions_total", answer="evicted") == 1
    facts = {"namespace": NAMESPACE, "pod": f"{PLUGIN_POD}-gpu-1", "node": "gpu-1"}
    assert replica.reported == [("eviction-done", facts)]
    assert [event["note"] for event in one.events("Evicted")] == [
        "evicted the plugin pod of node gpu-1: it found no GPU. The next one gets bootstrap/nvml."
    ]


async def test_one_at_a_time(one: World) -> None:
    """The second goes when the first one's successor works."""
    await one.rounds(SETTLED)
    await one.minutes(10)
    assert one.pods() == ["gpu-2"]
    make_anew(one, "gpu-1", ready=False, runtimeClassName="nvidia")
    await one.rounds(SETTLED)
    assert one.pods() == ["gpu-1", "gpu-2"]
    make_anew(one, "gpu-1", runtimeClassName="nvidia")
    await one.rounds()
    assert one.pods() == ["gpu-1"]


async def test_a_deleted_node_delays_no_other(one: World) -> None:
    """Its successor never comes."""
    await one.rounds(SETTLED)
    one.fake.delete("/api/v1/nodes/gpu-1")
    await one.rounds(3)
    assert evictions(one) == ["gpu-1", "gpu-2"]


async def test_a_pod_that_comes_back_blind_is_no_loop(one: World) -> None:
    """At most once an hour for each node; and no other pod is evicted meanwhile."""
    await one.rounds(SETTLED)
    make_anew(one, "gpu-1")
    await one.minutes(59)
    assert evictions(one) == ["gpu-1"]
    await one.minutes(2)
    assert evictions(one) == ["gpu-1", "gpu-1"]


async def test_a_refusal_is_no_loop(one: World) -> None:
    """A PodDisruptionBudget answers 429: reported, counted, the other node's turn, and the same again in an hour."""
    one.fake.fault(f"{PODS}/{PLUGIN_POD}-gpu-1/eviction", status=429)
    await one.rounds(SETTLED + MINUTE)
    assert evictions(one) == ["gpu-1", "gpu-2"]
    (replica,) = one.replicas
    assert replica.sample("evictions_total", answer="refused") == 1
    assert replica.events() == ["eviction-refused", "eviction-done"]
    assert len(one.events("EvictionRefused")) == 1
    make_anew(one, "gpu-2", runtimeClassName="nvidia")
    await one.minutes(57)
    assert evictions(one) == ["gpu-1", "gpu-2"]
    await one.minutes(3)
    assert evictions(one) == ["gpu-1", "gpu-2", "gpu-1"]


async def test_two_replicas_evict_as_one(fake: FakeApi, tmp_path: Path) -> None:
    """One holds the Lease and acts; the other waits, and goes on when the first is gone."""
    async with world(fake, tmp_path, EVICT, replicas=2) as two:
        two.add_blind("gpu-1", "gpu-2")
        await two.rounds(SETTLED)
        make_anew(two, "gpu-1", runtimeClassName="nvidia")
        two.replicas[0].rounds.stop()
        await two.rounds(MINUTE - 1)
        assert evictions(two) == ["gpu-1"]
        await two.rounds(2)
        assert evictions(two) == ["gpu-1", "gpu-2"]
        assert [replica.events() for replica in two.replicas] == [["eviction-done"], ["eviction-done"]]
        assert two.fake.get(LEASE)["spec"]["holderIdentity"] == "replica-1"


@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_a_lost_race_evicts_nothing(one: World, method: str) -> None:
    """Another replica wrote the state between our read and our write."""
    if method == "PUT":
        await one.rounds(SETTLED)
        make_anew(one, "gpu-1", runtimeClassName="nvidia")
    before = evictions(one)
    path = STATE if method == "PUT" else STATE.rpartition("/")[0]
    lost = one.fake.fault(path, method=method, status=409)
    await one.rounds(SETTLED + 1)
    assert (lost.hits > 0, evictions(one)) == (True, before)


async def test_a_replica_that_dies_before_it_evicts_costs_a_turn(one: World) -> None:
    """A recorded eviction counts even if it did not happen: one eviction too few is safe."""
    one.fake.fault(f"{PODS}/{PLUGIN_POD}-gpu-1/eviction", close=True, times=1)
    await one.rounds(SETTLED + MINUTE)
    assert evictions(one) == ["gpu-1", "gpu-2"]


async def test_only_blind_pods_are_evicted(one: World) -> None:
    """Not one that found its GPU, has no evidence of one, or was re-created since."""
    one.fake.put(node("gpu-1", gpus="2"), node("gpu-2", labels={}))
    await one.rounds(SETTLED + MINUTE)
    assert evictions(one) == []


async def test_nothing_is_evicted_by_default(fake: FakeApi, tmp_path: Path) -> None:
    """The policy must ask for it; not even the Lease is read."""
    async with world(fake, tmp_path, Policy()) as made:
        made.add_blind("gpu-1")
        await made.rounds(SETTLED + MINUTE)
        assert {request.path for request in fake.requests} == {"/apis/events.k8s.io/v1/namespaces/kube-system/events"}


async def test_nothing_is_evicted_by_an_old_view(one: World) -> None:
    """It may contain pods that were repaired while the API server was unavailable."""
    one.source.age_seconds = 91
    await one.rounds(SETTLED + MINUTE)
    assert evictions(one) == []


async def test_nothing_is_evicted_after_a_stop(one: World) -> None:
    """SIGTERM: this replica could not follow the result."""
    one.replicas[0].rounds.stop()
    await one.rounds(SETTLED + MINUTE)
    assert evictions(one) == []


def changed(**client: object) -> Any:  # noqa: ANN401
    """Return a change of the entry's clientConfig."""

    def change(found: dict[str, Any]) -> dict[str, Any]:
        entry = found["webhooks"][1]
        return {**found, "webhooks": [{**entry, "clientConfig": {**entry["clientConfig"], **client}}]}

    return change


OTHER_AUTHORITY = base64.b64encode(standalone_tls(("gpu-injector.gpu-injector.svc",))[1]).decode()
UNPROVEN = {
    "foreign": (
        changed(service={"name": "other", "namespace": "gpu-injector", "path": "/mutate/bootstrap"}),
        "the entry bootstrap.gpu-injector.io does not point to our Service",
    ),
    "no entry": (lambda found: {**found, "webhooks": []}, "there is no entry bootstrap.gpu-injector.io"),
    "another authority": (
        changed(caBundle=OTHER_AUTHORITY),
        "no verified answer from gpu-injector.gpu-injector.svc (ClientConnectorCertificateError)",
    ),
    "no caBundle": (changed(caBundle=""), "the caBundle cannot be read"),
    "no certificates": (changed(caBundle=base64.b64encode(b"no").decode()), "the caBundle cannot be read"),
    "no listener": (
        changed(service={"name": "gpu-injector", "namespace": "gpu-injector", "port": 1}),
        "no verified answer from gpu-injector.gpu-injector.svc (ClientConnectorError)",
    ),
    "namespace left out": (
        lambda found: {
            **found,
            "webhooks": [{**found["webhooks"][1], "namespaceSelector": {"matchLabels": {"gpu": "yes"}}}],
        },
        "the entry bootstrap.gpu-injector.io does not select namespace kube-system",
    ),
}


@pytest.mark.parametrize(("change", "why"), UNPROVEN.values(), ids=UNPROVEN)
async def test_nothing_is_evicted_that_would_not_reach_us(one: World, change: Any, why: str) -> None:  # noqa: ANN401
    """The registration is read back and tried first, and a problem is reported once; then it goes on."""
    whole = one.fake.get(REGISTRATION)
    one.fake.put(change(whole))
    await one.rounds(SETTLED + MINUTE)
    assert evictions(one) == []
    assert one.replicas[0].reported == [("repair-held", {"reason": why})]
    one.fake.put(whole)
    await one.rounds()
    assert evictions(one) == ["gpu-1"]
    assert set(one.replicas[0].events()) == {"repair-held", "repair-recovered", "eviction-done"}


@pytest.mark.parametrize("path", [REGISTRATION, "/api/v1/namespaces/gpu-injector/services/gpu-injector"])
@pytest.mark.parametrize("status", [403, 404])
async def test_what_cannot_be_read_proves_nothing(one: World, path: str, status: int) -> None:
    """No right, or no object."""
    one.fake.fault(path, status=status)
    await one.rounds(SETTLED + MINUTE)
    assert evictions(one) == []
    assert one.replicas[0].events() == [{403: "repair-refused", 404: "repair-held"}[status]]


async def test_a_registration_by_url_is_tried_at_its_url(one: World, served: tuple[int, bytes]) -> None:
    """Outside the cluster there is no Service."""
    whole = one.fake.get(REGISTRATION)
    client = {**whole["webhooks"][1]["clientConfig"], "url": f"https://127.0.0.1:{served[0]}/mutate/bootstrap"}
    del client["service"]
    one.fake.put({**whole, "webhooks": [{**whole["webhooks"][1], "clientConfig": client}]})
    one.fake.delete("/api/v1/namespaces/gpu-injector/services/gpu-injector")
    await one.rounds(SETTLED)
    assert evictions(one) == ["gpu-1"]
