"""The rounds over a fake API server, on fake time: blind plugin pods are counted and reported once."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.fake_api import FakeApi
from support.plugin_world import node
from support.repair_world import EVENTS, PODS, START, World, world

from webhook.controllers.plugin_rounds import ROUND_SECONDS
from webhook.policy.model import Policy

# Rounds until a pod that was blind from the first on counts as blind.
SETTLED = 4


@pytest.fixture
async def fake() -> AsyncIterator[FakeApi]:
    """Serve only the objects of the test."""
    async with FakeApi() as api:
        yield api


@pytest.fixture
async def one(fake: FakeApi, tmp_path: Path) -> AsyncIterator[World]:
    """Have one replica in a cluster with a blind pod."""
    async with world(fake, tmp_path, Policy()) as made:
        made.add_blind("gpu-1")
        yield made


async def test_a_blind_pod_is_counted_and_told(one: World) -> None:
    """With a metric without names, and an Event that `kubectl describe daemonset` shows."""
    await one.rounds(SETTLED)
    assert one.replicas[0].sample("blind_plugin_pods") == 1
    (event,) = one.events()
    assert event["metadata"]["name"].startswith("nvidia-device-plugin-daemonset.")
    assert event["regarding"] == {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "namespace": "kube-system",
        "name": "nvidia-device-plugin-daemonset",
        "uid": one.owner["metadata"]["uid"],
    }
    shown = {key: event[key] for key in ("type", "reason", "action", "reportingController", "reportingInstance")}
    assert shown == {
        "type": "Warning",
        "reason": "BlindPluginPod",
        "action": "Report",
        "reportingController": "gpu-injector.io/gpu-injector",
        "reportingInstance": "replica-0",
    }
    assert event["eventTime"].startswith(f"{START:%Y-%m-%d}T00:")
    assert "rollout restart daemonset/nvidia-device-plugin-daemonset" in event["note"]


async def test_a_pod_that_has_just_started_is_given_time(one: World) -> None:
    """A plugin that finds its GPU within half a minute was never blind."""
    await one.rounds(SETTLED - 1)
    one.fake.put(node("gpu-1", gpus="2"))
    await one.rounds(SETTLED)
    assert (one.replicas[0].sample("blind_plugin_pods"), one.posted()) == (0, [])


async def test_a_recreated_pod_is_given_time_too(one: World) -> None:
    """Another pod of the same name starts again."""
    await one.rounds(SETTLED - 1)
    one.fake.delete(f"{PODS}/nvidia-device-plugin-daemonset-gpu-1")
    one.add_blind("gpu-1")
    await one.rounds(SETTLED - 1)
    assert one.replicas[0].sample("blind_plugin_pods") == 0


async def test_an_event_is_not_told_again_within_the_hour(one: World) -> None:
    """Not repeatedly: once, and again after the API server deleted the Event."""
    await one.minutes(61)
    assert len(one.posted()) == 1
    await one.minutes(2)
    assert len(one.posted()) == 2


async def test_further_nodes_are_told_together(one: World) -> None:
    """Not one by one while a node pool grows; and no Event names those that are repaired."""
    await one.rounds(SETTLED)
    for number in range(2, 20):
        one.add_blind(f"gpu-{number}")
        await one.rounds()
    for number in range(4, 20):
        one.fake.put(node(f"gpu-{number}", gpus="2"))
    await one.minutes(30)
    nodes = [event["note"].partition("nodes: ")[2].partition(")")[0] for event in one.events()]
    assert nodes == ["gpu-1", "gpu-1, gpu-2, gpu-3"]


async def test_replicas_that_see_the_same_tell_it_once(fake: FakeApi, tmp_path: Path) -> None:
    """The Event's name is a hash of its content; for the second replica a conflict counts as recorded."""
    async with world(fake, tmp_path, Policy(), replicas=2) as two:
        two.add_blind("gpu-1")
        await two.rounds(SETTLED + 10)
        assert (len(two.events()), len(two.posted())) == (1, 2)
        assert [replica.reported for replica in two.replicas] == [[], []]


async def test_a_right_that_is_missing_is_told_once_in_the_log(one: World) -> None:
    """The rounds go on, and the Event is created later."""
    forbidden = one.fake.fault(EVENTS, status=403)
    await one.rounds(SETTLED + 10)
    assert one.replicas[0].reported == [("events-refused", {"reason": f"POST {EVENTS}: 403 Fault403"})]
    forbidden.clear()
    await one.rounds()
    assert (len(one.events()), one.replicas[0].reported[1:]) == (1, [("events-recovered", {})])


async def test_an_api_server_that_is_away_ends_nothing(one: World) -> None:
    """The rounds go on here too."""
    away = one.fake.fault(EVENTS, close=True)
    await one.rounds(SETTLED)
    assert one.replicas[0].reported == [("events-unreachable", {"reason": "ConnectionError"})]
    away.clear()
    await one.rounds()
    assert len(one.events()) == 1


async def test_nothing_is_written_after_a_stop(one: World) -> None:
    """A stopping replica leaves it to the others."""
    one.replicas[0].rounds.stop()
    await one.rounds(SETTLED)
    assert (one.replicas[0].sample("blind_plugin_pods"), one.posted()) == (1, [])


async def test_rounds_wait_for_a_complete_view(one: World) -> None:
    """A namespace that is not listed yet may be opted out."""
    synced = asyncio.Event()
    running = asyncio.create_task(one.replicas[0].rounds.run(synced))
    await asyncio.sleep(0)
    assert one.time.pauses == []
    synced.set()
    await one.fake.requested(1, path=EVENTS)
    running.cancel()
    assert set(one.time.pauses) == {ROUND_SECONDS}
