"""Setbacks over a fake API server: noted, stored, read back, and the blocked pod deleted once."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support.blocked_world import (
    CONFIG_MAPS,
    EVENTS,
    LEASES,
    NO_RUNTIME,
    STATE,
    BlockedWorld,
    blocked_pod,
    blocked_world,
    event_about,
    ready_node,
    written,
)
from support.fake_api import FakeApi
from support.plugin_world import daemon_set
from support.repair_world import PODS

from webhook.observations.setback import Setback, SetbackKind
from webhook.policy.model import Bootstrap, Policy

POD = f"{PODS}/nvidia-device-plugin-daemonset-gpu-1"
REPORT = Policy(bootstrap=Bootstrap(repair="report"))


@pytest.fixture
async def fake() -> AsyncIterator[FakeApi]:
    """Serve the fake API."""
    async with FakeApi() as api:
        yield api


@pytest.fixture
async def one(fake: FakeApi, tmp_path: Path) -> AsyncIterator[BlockedWorld]:
    """Have one replica."""
    async with blocked_world(fake, tmp_path) as made:
        yield made


def setbacks(world: BlockedWorld) -> list[Setback]:
    """Return the stored setbacks."""
    return list(world.state.setbacks.entries.values())


async def test_a_blocked_pod_is_stored_and_then_deleted_once(one: BlockedWorld) -> None:
    """That very pod, after the setback was read back; it is counted, logged, and told on the DaemonSet."""
    pod = one.add("gpu-1")
    one.fake.put(event_about(pod, NO_RUNTIME))
    await one.rounds(3)
    (found,) = setbacks(one)
    assert (found.key.node, found.kind, found.text) == ("gpu-1", SetbackKind.BLOCKED, NO_RUNTIME)
    (options,) = one.deleted()
    assert options["preconditions"] == {"uid": pod["metadata"]["uid"]}
    order = [one_.method for one_ in one.fake.requests if one_.path.startswith((CONFIG_MAPS, POD))]
    delete = order.index("DELETE")
    assert order[delete - 2 : delete] == ["POST", "GET"]
    (replica,) = one.replicas
    assert replica.sample("setbacks", kind="blocked") == 1
    assert replica.sample("releases_total") == 1
    assert replica.sample("leader") == 1
    assert (
        "setback-released",
        {"namespace": "kube-system", "pod": pod["metadata"]["name"], "node": "gpu-1"},
    ) in replica.told
    (told,) = one.asked("POST", "/apis/events.k8s.io")
    assert told["reason"] == "PatchFailed"
    assert NO_RUNTIME in told["note"]


async def test_a_pod_that_is_blocked_again_is_not_deleted_again_under_its_uid(one: BlockedWorld) -> None:
    """The same pod is deleted once, even if it stays: a finalizer may hold it."""
    pod = one.add("gpu-1")
    one.fake.fault(POD, method="DELETE", status=500)
    await one.rounds(20)
    assert len(one.deleted()) == 1
    assert one.fake.get(POD)["metadata"]["uid"] == pod["metadata"]["uid"]


async def test_another_pod_of_that_name_is_not_deleted(one: BlockedWorld) -> None:
    """It may have been created in between."""
    one.add("gpu-1")
    fault = one.fake.fault(POD, method="DELETE", status=409)
    await one.rounds(2)
    assert len(one.deleted()) == 1
    assert one.replicas[0].sample("releases_total") == 0
    fault.clear()


@pytest.mark.parametrize("policy", [REPORT, Policy(dry_run=True)], ids=["report", "dry-run"])
async def test_a_policy_may_keep_pods(fake: FakeApi, tmp_path: Path, policy: Policy) -> None:
    """The setback is noted all the same: the next pod is decided with it."""
    async with blocked_world(fake, tmp_path, policy) as world:
        world.add("gpu-1")
        await world.rounds(5)
        assert len(setbacks(world)) == 1
        assert world.deleted() == []


@pytest.mark.parametrize("plural", ["validatingadmissionpolicies", "validatingadmissionpolicybindings"])
async def test_without_the_limit_no_pod_is_deleted(one: BlockedWorld, plural: str) -> None:
    """A cluster without that API acts as ``report``, and an event says so."""
    one.fake.fault(f"/apis/admissionregistration.k8s.io/v1/{plural}/gpu-injector-deletes", status=404)
    one.add("gpu-1")
    await one.rounds(10)
    assert (len(setbacks(one)), one.deleted()) == (1, [])
    assert [event for event, _ in one.replicas[0].told] == ["setbacks-held"]
    assert len(one.asked("POST", CONFIG_MAPS) + one.asked("PUT", CONFIG_MAPS)) == 1


async def test_one_replica_writes(fake: FakeApi, tmp_path: Path) -> None:
    """The other one knows what it writes, and takes over a minute after the first is gone."""
    async with blocked_world(fake, tmp_path, replicas=2) as world:
        world.add("gpu-1")
        await world.rounds(2)
        first, second = world.replicas
        assert (first.sample("leader"), second.sample("leader")) == (1, 0)
        assert second.sample("setbacks", kind="blocked") == 1
        assert len(world.deleted()) == 1
        world.replicas.remove(first)
        world.add("gpu-2")
        await world.rounds(3)
        assert len(setbacks(world)) == 1
        await world.rounds(6)
        assert second.sample("leader") == 1
        assert len(setbacks(world)) == 2


async def test_writes_are_bounded(one: BlockedWorld) -> None:
    """Twice a minute at most, and none while nothing changes."""
    for number in range(30):
        one.add(f"gpu-{number}")
        await one.rounds(1)
    assert len(one.asked("POST", CONFIG_MAPS) + one.asked("PUT", CONFIG_MAPS)) <= 10
    await one.rounds(10)
    before = len(one.asked("PUT", CONFIG_MAPS))
    await one.rounds(10)
    assert len(one.asked("PUT", CONFIG_MAPS)) == before


async def test_deletions_are_bounded(one: BlockedWorld) -> None:
    """A class that is wrong everywhere takes no more than ten pods with one write."""
    for number in range(25):
        one.add(f"gpu-{number}")
    await one.rounds(1)
    assert len(one.deleted()) == 10
    await one.rounds(9)
    assert len(one.deleted()) == 25


@pytest.mark.parametrize("status", [409, 404, 500, 403])
async def test_what_cannot_be_stored_releases_nothing(one: BlockedWorld, status: int) -> None:
    """The next pod would get the same patch again."""
    one.add("gpu-1")
    one.fake.fault(CONFIG_MAPS, method="POST", status=status)
    await one.rounds(5)
    assert one.deleted() == []


async def test_what_is_not_read_back_releases_nothing(one: BlockedWorld) -> None:
    """Another writer may have replaced the state."""
    one.add("gpu-0")
    await one.rounds(1)
    empty = one.fake.get(STATE) | {"data": {}}
    one.add("gpu-1")
    one.time.now += 60
    replaced = one.fake.fault(STATE, method="PUT", status=200, body=empty)
    await one.rounds(1)
    replaced.clear()
    assert len(one.deleted()) == 1


async def test_an_old_view_decides_nothing(one: BlockedWorld) -> None:
    """It may show a pod that is long gone."""
    one.add("gpu-1")
    one.replicas[0].source.age_seconds = 90
    await one.rounds(5)
    assert one.asked("POST", CONFIG_MAPS) == []


async def test_an_unknown_state_is_replaced(one: BlockedWorld) -> None:
    """A newer or broken one counts as nothing."""
    metadata = {"name": "gpu-injector-state", "namespace": "gpu-injector"}
    one.fake.put(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"state.json": '{"schema":9}'}}
    )
    one.add("gpu-1")
    await one.rounds(2)
    assert len(setbacks(one)) == 1


async def test_observations_are_stored(one: BlockedWorld) -> None:
    """A plugin without our patch that is blind stays known across restarts of the webhook."""
    one.fake.put(ready_node("gpu-1"))
    pod = blocked_pod(one.owner, "gpu-1")
    pod["metadata"]["annotations"], pod["spec"]["runtimeClassName"] = {}, None
    pod["status"] = {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": written(-10)}],
    }
    one.fake.put(pod, ready_node("gpu-2"))
    await one.rounds(2)
    assert [found.state for found in one.state.observations.entries.values()] == ["blind"]


async def test_without_a_lease_the_last_state_counts(one: BlockedWorld) -> None:
    """And a metric shows that no replica writes."""
    one.add("gpu-1")
    await one.rounds(2)
    one.time.now += 60
    one.fake.fault(f"{LEASES}*", status=500)
    await one.rounds(2)
    (replica,) = one.replicas
    assert replica.sample("leader") == 0
    assert len(list(replica.source.view.setbacks.current())) == 1


async def test_a_replica_that_stops_writes_nothing(one: BlockedWorld) -> None:
    """SIGTERM: the next holder goes on."""
    one.add("gpu-1")
    one.replicas[0].watch.stop()
    await one.rounds(2)
    assert one.asked("POST", LEASES) == []


RUNNING: dict[str, Any] = {
    "phase": "Running",
    "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": written(-10)}],
    "containerStatuses": [],
}


@pytest.mark.parametrize("namespace", ["kube-system", "tenant"])
async def test_a_forged_event_about_a_pod_that_runs(one: BlockedWorld, namespace: str) -> None:
    """With ``eventTime`` set, a tenant may create one in the own namespace; a kubelet may in any."""
    pod = one.add("gpu-1", **RUNNING)
    forged = event_about(pod, NO_RUNTIME, namespace, eventTime=written(0))
    one.fake.put(forged)
    await one.rounds(5)
    assert one.asked("GET", EVENTS) == []
    assert one.deleted() == []
    assert one.asked("POST", CONFIG_MAPS) == []


async def test_a_forged_event_of_another_namespace_explains_nothing(one: BlockedWorld) -> None:
    """Neither does one about another object of that namespace."""
    pod = one.add("gpu-1")
    excuse = "plugin failed to setup network for sandbox"
    one.fake.put(event_about(pod, excuse, "tenant", eventTime=written(0)))
    await one.rounds(2)
    (found,) = setbacks(one)
    assert found.text == "the pod waits: ContainerCreating"


@pytest.mark.parametrize("forgery", ["namespace", "owner", "no owner", "annotation alone"])
async def test_a_pod_that_looks_like_the_plugins(one: BlockedWorld, forgery: str) -> None:
    """Of another namespace, with an owner that does not exist, without one, or without our patch: no effect."""
    one.fake.put(ready_node("gpu-1"))
    pod = blocked_pod(one.owner, "gpu-1")
    if forgery == "namespace":
        pod = blocked_pod(daemon_set(namespace="tenant"), "gpu-1")
    elif forgery == "owner":
        pod["metadata"]["ownerReferences"][0]["uid"] = "uid-of-nothing"
    elif forgery == "no owner":
        pod["metadata"]["ownerReferences"] = []
    else:
        pod["spec"]["runtimeClassName"] = None
    one.fake.put(pod)
    await one.rounds(5)
    assert one.deleted() == []
    assert one.asked("POST", CONFIG_MAPS) == []
