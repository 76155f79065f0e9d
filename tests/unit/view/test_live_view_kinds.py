"""What is watched beside classes and namespaces: nodes, device plugins of believed namespaces, and optional APIs."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support.cluster_world import session, until, watching
from support.fake_api import FakeApi
from support.fake_time import FakeTime

from webhook.view.live_view import LiveView
from webhook.view.view import Nvml
from webhook.view.watched_resources import GROUPS_PATH, resources

LABELS = {"name": "nvidia-device-plugin-ds"}
CONTAINER = {"name": "nvidia-device-plugin-ctr", "image": "plugin"}
PODS = "/api/v1/namespaces/kube-system/pods"


def plugin(kind: str, name: str, namespace: str = "kube-system", **labels: str) -> dict[str, Any]:
    """Return a device plugin's pod, or its DaemonSet."""
    pod: dict[str, Any] = {"metadata": {"labels": labels or LABELS}, "spec": {"containers": [CONTAINER]}}
    if kind == "Pod":
        metadata = {"name": name, "namespace": namespace, **pod["metadata"]}
        return {"apiVersion": "v1", "kind": kind, "metadata": metadata, "spec": pod["spec"]}
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": {"template": pod}}


def node(name: str, heartbeat: str) -> dict[str, Any]:
    """Return a ready node."""
    conditions = [{"type": "Ready", "status": "True", "lastHeartbeatTime": heartbeat}]
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "status": {"conditions": conditions}}


@pytest.fixture
async def fake() -> AsyncIterator[FakeApi]:
    """Serve a node and a plugin with one pod."""
    async with FakeApi() as api:
        api.put(node("gpu-1", "2026-11-24T23:55:00Z"))
        api.put(plugin("DaemonSet", "plugin"))
        api.put(plugin("Pod", "plugin-1"))
        yield api


async def test_plugins_are_watched_where_they_are_believed(fake: FakeApi, tmp_path: Path) -> None:
    """Whatever label tells a plugin, feature discovery too; nothing of other namespaces, or of what looks alike."""
    hami = plugin("Pod", "hami-1", **{"app.kubernetes.io/component": "hami-device-plugin"})
    hami["spec"] = {"containers": [{"name": "vgpu-monitor"}, {"name": "device-plugin"}]}
    fake.put(hami)
    fake.put(plugin("Pod", "coredns-1", **{"k8s-app": "kube-dns"}))
    fake.put(plugin("Pod", "forged-1", namespace="tenant"))
    other = plugin("Pod", "gfd-1", **{"app.kubernetes.io/name": "nvidia-device-plugin"})
    other["spec"] = {"containers": [{"name": "gpu-feature-discovery-ctr"}]}
    fake.put(other)
    async with watching(fake, tmp_path, resources(["kube-system"])) as world:
        await world.live.synced.wait()
        view = world.live.view
        pods = {name: pod.plugin.hands_out_gpus for name, pod in (view.plugin_pods or {}).items()}
        assert pods == {"kube-system/plugin-1": True, "kube-system/hami-1": True, "kube-system/gfd-1": False}
        assert set(view.daemon_sets or ()) == {"kube-system/plugin"}
        assert set(view.nodes or ()) == {"gpu-1"}
        assert (view.cluster_policies, view.device_classes, view.resource_slices) == ({}, {}, {})


async def test_plugins_that_change_are_told(fake: FakeApi, tmp_path: Path) -> None:
    """A pod that comes, one that gets its library, and one that goes."""
    async with watching(fake, tmp_path, resources(["kube-system"])) as world:
        await world.live.synced.wait()
        pod = plugin("Pod", "plugin-2")
        fake.put(pod)
        await until(lambda: len(world.live.view.plugin_pods or ()) == 2)
        pod["spec"]["runtimeClassName"] = "nvidia"
        fake.put(pod)
        pods = world.live.view.plugin_pods or {}
        await until(lambda: (world.live.view.plugin_pods or pods)["kube-system/plugin-2"].plugin.nvml is Nvml.CLASS)
        fake.delete(f"{PODS}/plugin-2")
        await until(lambda: len(world.live.view.plugin_pods or ()) == 1)


async def test_readiness_names_the_kinds_that_it_waits_for(fake: FakeApi, tmp_path: Path) -> None:
    """A right that is missing is found by its kind; optional APIs hold nothing up."""
    fake.fault(PODS, status=403)
    async with watching(fake, tmp_path, resources(["kube-system"])) as world:
        await until(lambda: world.live.missing() == ["plugin_pods"])
        assert not world.live.synced.is_set()
        assert world.live.view.plugin_pods is None


async def test_api_groups_are_followed(fake: FakeApi, tmp_path: Path) -> None:
    """A guard that is installed later is noticed; an API server that does not answer changes nothing."""
    time = FakeTime()
    async with session(fake, tmp_path, time) as api:
        live = LiveView(api, (), clock=time.clock())
        fake.fault(GROUPS_PATH, status=200, body={"kind": "APIGroupList", "groups": [{"name": "kyverno.io"}]})
        async with asyncio.TaskGroup() as group:
            following = group.create_task(live.follow_groups())
            await until(lambda: live.view.api_groups == frozenset({"kyverno.io"}))
            fake.fault(GROUPS_PATH, status=500)
            await fake.requested(fake.count(path=GROUPS_PATH) + 3, path=GROUPS_PATH)
            assert live.view.api_groups == frozenset({"kyverno.io"})
            following.cancel()


async def test_a_heartbeat_of_a_node_leaves_the_view_as_it_is(fake: FakeApi, tmp_path: Path) -> None:
    """Each node's conditions are written every five minutes: nothing is to be judged anew for that."""
    async with watching(fake, tmp_path, resources(["kube-system"])) as world:
        await world.live.synced.wait()
        await fake.watching("/api/v1/nodes")
        before = world.live.view.nodes
        fake.put(node("gpu-1", "2026-11-25T00:00:00Z"))
        fake.put(node("gpu-2", "2026-11-25T00:00:00Z"))
        await until(lambda: "gpu-2" in (world.live.view.nodes or ()))
        assert before is not None
        assert world.live.view.nodes is not before
        assert (world.live.view.nodes or {})["gpu-1"] is before["gpu-1"]
