"""The optional facts of a live view: found in any served version, found later, and never waited for."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.cluster_world import session, until, watching
from support.fake_api import FakeApi
from support.fake_time import FakeTime

from webhook.observations.plugin_observation import PluginState
from webhook.policy.model import Policy
from webhook.view.admission_controls import DenyingBinding, PodAdmissionPolicy, PolicyEngineWebhook
from webhook.view.dynamic_resources import DeviceClass, ResourceSlice
from webhook.view.gpu_operator import GpuCluster
from webhook.view.live_view import OBSERVATION_SECONDS, LiveView, observe_plugins
from webhook.view.snapshot import snapshot
from webhook.view.view import ClusterView
from webhook.view.watched_resources import resources

ADMISSION = "admissionregistration.k8s.io"
PODS = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
LABELS = {"name": "nvidia-device-plugin-ds"}
START = datetime(2026, 11, 27, tzinfo=UTC)


def item(api_version: str, kind: str, name: str, **fields: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return a cluster-scoped object."""
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, **fields}


def slice_of(version: str, name: str, node: str) -> dict[str, Any]:
    """Return a ResourceSlice of NVIDIA's driver."""
    spec = {"driver": "gpu.nvidia.com", "nodeName": node, "devices": [{"name": "gpu-0"}]}
    return item(f"resource.k8s.io/{version}", "ResourceSlice", name, spec=spec)


def slices(version: str) -> str:
    """Return the path of the list in a version."""
    return f"/apis/resource.k8s.io/{version}/resourceslices"


POLICY = item(
    f"{ADMISSION}/v1",
    "ValidatingAdmissionPolicy",
    "no-class",
    spec={
        "matchConstraints": {"resourceRules": [PODS]},
        "validations": [{"expression": "!has(object.spec.runtimeClassName)"}],
    },
)
BINDING = item(
    f"{ADMISSION}/v1",
    "ValidatingAdmissionPolicyBinding",
    "no-class",
    spec={"policyName": "no-class", "validationActions": ["Deny"]},
)


def engine(kind: str) -> dict[str, Any]:
    """Return a webhook configuration of Kyverno."""
    return item(f"{ADMISSION}/v1", kind, "kyverno", webhooks=[{"name": "x.kyverno.svc-fail", "rules": [PODS]}])


VALIDATING, MUTATING = engine("ValidatingWebhookConfiguration"), engine("MutatingWebhookConfiguration")
DEVICE_CLASS = item("resource.k8s.io/v1", "DeviceClass", "gpu", spec={"extendedResourceName": "nvidia.com/gpu"})


@pytest.fixture
async def fake() -> AsyncIterator[FakeApi]:
    """Serve nothing."""
    async with FakeApi() as api:
        yield api


def expected() -> dict[str, Any]:
    """Return the fields of the view that the objects above give."""
    kyverno = PolicyEngineWebhook("kyverno", "Kyverno", ({},))
    return {
        "admission_policies": {"no-class": PodAdmissionPolicy("no-class", frozenset({"runtimeClassName"}))},
        "policy_bindings": {"no-class": DenyingBinding("no-class", "no-class")},
        "engine_webhooks": {"validating/kyverno": kyverno, "mutating/kyverno": kyverno},
        "resource_slices": {"s": ResourceSlice("gpu.nvidia.com", "a")},
        "device_classes": {"gpu": DeviceClass("gpu", "nvidia.com/gpu")},
        "gpu_clusters": {"c": GpuCluster("c")},
    }


def fields_of(view: ClusterView) -> dict[str, Any]:
    """Return the same fields of a view."""
    return {name: getattr(view, name) for name in expected()}


async def test_all_facts_are_watched_and_listed(fake: FakeApi, tmp_path: Path) -> None:
    """The live view and the view of one moment agree."""
    cluster = item("nvidia.com/v1", "GPUCluster", "c")
    fake.put(POLICY, BINDING, VALIDATING, MUTATING, slice_of("v1", "s", "a"), DEVICE_CLASS, cluster)
    async with watching(fake, tmp_path, resources(["kube-system"])) as world:
        await until(lambda: fields_of(world.live.view) == expected())
        found = await snapshot(world.api, resources(["kube-system"]))
        assert (fields_of(found.view), set(found.unknown)) == (expected(), {"api_groups"})
        fake.delete(f"/apis/{ADMISSION}/v1/mutatingwebhookconfigurations/kyverno")
        await until(lambda: set(world.live.view.engine_webhooks or ()) == {"validating/kyverno"})


async def test_a_policy_that_no_longer_concerns_pods_goes(fake: FakeApi, tmp_path: Path) -> None:
    """A change of its rules, or of the binding's actions, is as good as a deletion."""
    fake.put(POLICY, BINDING)
    async with watching(fake, tmp_path, resources([])) as world:
        await until(lambda: world.live.view.admission_policies and world.live.view.policy_bindings)
        fake.put({**POLICY, "spec": {"matchConstraints": {"resourceRules": []}}})
        fake.put({**BINDING, "spec": {"policyName": "no-class", "validationActions": ["Warn"]}})
        await until(lambda: not (world.live.view.admission_policies or world.live.view.policy_bindings))


@pytest.mark.parametrize("version", ["v1beta2", "v1beta1"])
async def test_older_versions_of_an_api_are_found_and_watched(version: str, fake: FakeApi, tmp_path: Path) -> None:
    """DRA was served as beta for years."""
    fake.put(slice_of(version, "s", "a"))
    for absent in {"v1", "v1beta2"} - {version}:
        fake.fault(f"{slices(absent)}*", status=404)
    async with watching(fake, tmp_path, resources([])) as world:
        await until(lambda: set(world.live.view.resource_slices or ()) == {"s"})
        fake.put(slice_of(version, "t", "b"))
        await until(lambda: set(world.live.view.resource_slices or ()) == {"s", "t"})
        found = await snapshot(world.api, resources([]))
        assert set(found.view.resource_slices or ()) == {"s", "t"}


async def test_pages_of_a_list_are_all_of_the_version_that_was_found(fake: FakeApi, tmp_path: Path) -> None:
    """A token of one version means nothing to another."""
    fake.put(*(slice_of("v1beta1", f"s-{number}", "a") for number in range(60)))
    for absent in ("v1", "v1beta2"):
        fake.fault(f"{slices(absent)}*", status=404)
    async with watching(fake, tmp_path, resources([])) as world:
        await until(lambda: len(world.live.view.resource_slices or ()) == 60)
    assert [fake.count(path=slices(version), watch=False) for version in ("v1", "v1beta2", "v1beta1")] == [1, 1, 3]


async def test_absent_apis_hold_nothing_up_and_are_looked_for_again(fake: FakeApi, tmp_path: Path) -> None:
    """DRA's driver may be installed later."""
    faults = [fake.fault(f"{slices(version)}*", status=404) for version in ("v1", "v1beta2", "v1beta1")]
    fake.put(slice_of("v1", "s", "a"))
    async with watching(fake, tmp_path, resources([])) as world:
        await world.live.synced.wait()
        await until(lambda: world.live.view.resource_slices == {})
        for fault in faults:
            fault.clear()
        await until(lambda: world.live.view.resource_slices)


async def test_a_right_that_is_switched_off_leaves_the_facts_unknown(fake: FakeApi, tmp_path: Path) -> None:
    """It is not "there are none", and the webhook gets ready without it."""
    fake.put(POLICY)
    fake.fault(f"/apis/{ADMISSION}/*", status=403)
    async with watching(fake, tmp_path, resources([])) as world:
        await world.live.synced.wait()
        await until(lambda: "watch-lost" in world.events())
        assert (world.live.view.admission_policies, world.live.missing()) == (None, [])
        found = await snapshot(world.api, resources([]))
        assert found.view.engine_webhooks is None
        assert "engine_webhooks" in found.unknown


def plugin(name: str, ready_since: datetime) -> dict[str, Any]:
    """Return a plugin's pod, ready since a time."""
    owner = {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "plugin", "uid": "", "controller": True}
    condition = {"type": "Ready", "status": "True", "lastTransitionTime": ready_since.isoformat()}
    metadata = {"name": name, "namespace": "kube-system", "labels": LABELS, "ownerReferences": [owner]}
    spec = {"nodeName": "a", "containers": [{"name": "nvidia-device-plugin-ctr"}]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": spec,
        "status": {"phase": "Running", "conditions": [condition]},
    }


def put_plugin(fake: FakeApi, ready_since: datetime, capacity: str) -> None:
    """Store a node, a DaemonSet, and its pod."""
    quantities = {"nvidia.com/gpu": capacity}
    fake.put(item("v1", "Node", "a", status={"capacity": quantities, "allocatable": quantities}))
    template = {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "nvidia-device-plugin-ctr"}]}}
    metadata = {"name": "plugin", "namespace": "kube-system"}
    stored = fake.put(
        {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": metadata, "spec": {"template": template}}
    )
    pod = plugin("plugin-1", ready_since)
    pod["metadata"]["ownerReferences"][0]["uid"] = stored["metadata"]["uid"]
    fake.put(pod)


def states(view: ClusterView) -> list[PluginState]:
    """Return the states that were observed."""
    return [one.state for one in view.observations.entries.values()]


async def test_the_live_view_remembers_what_a_deleted_plugin_showed(fake: FakeApi, tmp_path: Path) -> None:
    """A DaemonSet that is scaled to zero does not erase the proof."""
    put_plugin(fake, START, "1")
    async with watching(fake, tmp_path, resources(["kube-system"])) as world:
        await world.live.synced.wait()
        assert states(world.live.view) == [PluginState.HEALTHY]
        fake.delete("/api/v1/namespaces/kube-system/pods/plugin-1")
        await until(lambda: world.live.view.plugin_pods == {})
        fake.put(item("v1", "Node", "b"))
        await until(lambda: "b" in (world.live.view.nodes or ()))
        assert states(world.live.view) == [PluginState.HEALTHY]
        assert states((await snapshot(world.api, resources(["kube-system"]))).view) == []


async def test_a_pod_with_an_invented_owner_is_not_observed(fake: FakeApi, tmp_path: Path) -> None:
    """The DaemonSet that it names has another UID."""
    put_plugin(fake, START, "1")
    fake.put(plugin("plugin-1", START))
    async with watching(fake, tmp_path, resources(["kube-system"])) as world:
        await world.live.synced.wait()
        assert states(world.live.view) == []


async def test_a_state_that_needs_time_is_observed_without_a_change(fake: FakeApi, tmp_path: Path) -> None:
    """A blind plugin counts as blind after a minute, though nothing in the cluster changes."""
    put_plugin(fake, START, "0")
    time = FakeTime()
    now = START
    observe = observe_plugins(Policy().is_gpu_resource, lambda: now)
    async with session(fake, tmp_path, time) as api, asyncio.TaskGroup() as group:
        live = LiveView(api, resources(["kube-system"]), clock=time.clock(), observe=observe)
        running = group.create_task(live.run())
        await live.synced.wait()
        assert states(live.view) == []
        now += timedelta(minutes=1)
        following = group.create_task(live.follow_plugins())
        await until(lambda: states(live.view) == [PluginState.BLIND])
        assert OBSERVATION_SECONDS in time.pauses
        running.cancel()
        following.cancel()
