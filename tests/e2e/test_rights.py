"""Every right is needed: without it, its use fails, with an event that says so.

The audit log shows that nothing else was forbidden, and that the right is used again once it is restored.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
import yaml

from e2e.control_plane import ControlPlane
from e2e.custom_kinds import CLUSTER_POLICIES, GPU_CLUSTERS
from e2e.device_plugins import NAMESPACE as PLUGINS
from e2e.direct_api import MERGE_PATCH, DirectApi
from e2e.gpu_nodes import RUNC, Machine, gpu_nodes
from e2e.installation import NAME, running_webhook
from e2e.namespaces import ENABLED, INJECT
from e2e.pods import would_be_decided
from e2e.processes import until
from e2e.rights import GRANTED, REPAIR, Asked, Right, without
from e2e.steps import (
    INSTALLATION,
    decide_of_latecomers,
    follow,
    follow_state,
    keep_certificate,
    keep_setbacks,
    repair,
    see,
    send_heartbeats,
)
from webhook.kube_client.client import KubeClient
from webhook.kube_client.credentials import CredentialsLoader
from webhook.view.view import ClusterView

on_one_version = pytest.mark.parametrize("minor", ["1.37"], indirect=True, scope="session")

REGISTRATIONS = "admissionregistration.k8s.io"
MUTATING = INSTALLATION.registration_path("mutatingwebhookconfigurations")
VALIDATING = INSTALLATION.registration_path("validatingwebhookconfigurations")
LEASES = f"/apis/coordination.k8s.io/v1/namespaces/{NAME}/leases"
LEASE = f"{NAME}-leader"
STATES = f"/api/v1/namespaces/{NAME}/configmaps"
STATE = f"{NAME}-state"
LIMIT = f"{NAME}-deletes"
SERVICES = f"/api/v1/namespaces/{NAME}/services"
CLASSES = "/apis/node.k8s.io/v1/runtimeclasses"
POOLS = {"blind": [Machine(RUNC, "missed", labels={"nvidia.com/gpu.present": "true"}, gpus="")]}

FOLLOWED = [
    ("runtime_classes", "node.k8s.io", "runtimeclasses", ""),
    ("namespaces", "", "namespaces", ""),
    ("nodes", "", "nodes", ""),
    ("device_classes", "resource.k8s.io", "deviceclasses", ""),
    ("resource_slices", "resource.k8s.io", "resourceslices", ""),
    ("cluster_policies", "nvidia.com", "clusterpolicies", ""),
    ("gpu_clusters", "nvidia.com", "gpuclusters", ""),
    ("admission_policies", REGISTRATIONS, "validatingadmissionpolicies", ""),
    ("policy_bindings", REGISTRATIONS, "validatingadmissionpolicybindings", ""),
    ("engine_webhooks", REGISTRATIONS, "validatingwebhookconfigurations", ""),
    ("engine_webhooks", REGISTRATIONS, "mutatingwebhookconfigurations", ""),
    ("plugin_pods", "", "pods", PLUGINS),
    ("daemon_sets", "apps", "daemonsets", PLUGINS),
]
VIEW = {
    Right(verb, group, resource, namespace=namespace): f"watch-lost {kind} {verb}"
    for kind, group, resource, namespace in FOLLOWED
    for verb in ("list", "watch")
}
LOOKS = {
    Right("get", "node.k8s.io", "runtimeclasses"): "leave/runtime-class-missing",
    Right("get", "", "namespaces"): "leave/namespace-unknown",
}
CERTIFICATES = {
    Right("get", "", "secrets", NAME, NAME): "api-refused",
    Right("update", "", "secrets", NAME, NAME): "secret-write-refused",
    Right("create", "", "secrets", "", NAME): "secret-write-refused",
    Right("get", REGISTRATIONS, "mutatingwebhookconfigurations", NAME): "registration-unreadable",
    Right("get", REGISTRATIONS, "validatingwebhookconfigurations", NAME): "registration-unreadable",
    Right("patch", REGISTRATIONS, "mutatingwebhookconfigurations", NAME): "ca-bundle-write-refused",
    Right("patch", REGISTRATIONS, "validatingwebhookconfigurations", NAME): "ca-bundle-write-refused",
}
REPAIRS = {
    Right("create", "events.k8s.io", "events", "", PLUGINS): "events-refused",
    Right("create", "", "pods/eviction", "", PLUGINS): "repair-refused",
    Right("get", "", "services", NAME, NAME): "repair-refused",
}
SETBACKS = {
    Right("get", "coordination.k8s.io", "leases", LEASE, NAME): "setbacks-refused",
    Right("update", "coordination.k8s.io", "leases", LEASE, NAME): "setbacks-refused",
    Right("create", "coordination.k8s.io", "leases", "", NAME): "setbacks-refused",
    Right("get", "", "configmaps", STATE, NAME): "setbacks-refused",
    Right("update", "", "configmaps", STATE, NAME): "setbacks-refused",
    Right("create", "", "configmaps", "", NAME): "setbacks-refused",
    Right("list", "", "events"): "setbacks-refused",
    Right("delete", "", "pods", "", PLUGINS): "setbacks-refused",
    Right("get", REGISTRATIONS, "validatingadmissionpolicies", LIMIT): "setbacks-held",
    Right("get", REGISTRATIONS, "validatingadmissionpolicybindings", LIMIT): "setbacks-held",
}
HEARTBEATS = {Right("create", "events.k8s.io", "events", "", NAME): "beats-refused"}
STORED = {Right(verb, "", "configmaps", STATE, NAME): f"watch-lost state {verb}" for verb in ("list", "watch")}


Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Scene:
    """The control plane, its administrator, and the webhook's own kubeconfig."""

    plane: ControlPlane
    admin: DirectApi
    kubeconfig: Path
    runner: asyncio.Runner

    def call(self, method: str, path: str, body: object = None, content_type: str = "application/json") -> None:
        """Ask for something as the administrator; what is absent needs no deleting."""
        status, answer = self.admin.call(method, path, body, content_type)
        assert status < 300 or (method, status) == ("DELETE", 404), answer

    def take(self, step: Callable[[KubeClient], Awaitable[Answer]]) -> Answer:
        """Take a step as the webhook's account, and return what it returns."""

        async def as_webhook() -> Answer:
            async with KubeClient(CredentialsLoader(str(self.kubeconfig))) as api:
                return await step(api)

        return self.runner.run(as_webhook())

    def assert_needed(self, right: Right, word: str, step: Callable[[Asked], set[str]]) -> None:
        """Assert that a step says the word, and is refused this alone, without the right; and nothing with it."""
        with without(self.admin, right):
            asked = Asked(self.plane)
            assert word in step(asked)
            assert until(asked.refused, "the audit log tells of it") == {right}
        asked = Asked(self.plane)
        assert word not in step(asked)
        until(lambda: right in asked.used(), f"{right} is used")
        assert asked.refused() == set()


@pytest.fixture(scope="module")
def scene(plane: ControlPlane, webhook_port: int) -> Iterator[Scene]:
    """Have the rights to evict, too, and every API that is followed."""
    assert webhook_port
    plane.kubectl.apply(yaml.safe_load_all(REPAIR.read_text()))
    plane.kubectl.apply([CLUSTER_POLICIES, GPU_CLUSTERS])
    kinds = ("crd/clusterpolicies.nvidia.com", "crd/gpuclusters.nvidia.com")
    plane.kubectl.run("wait", "--for=condition=Established", *kinds, "--timeout=30s")
    with DirectApi(plane.kubectl.kubeconfig) as admin, asyncio.Runner() as runner:
        yield Scene(plane, admin, plane.kubeconfig_of(NAME, NAME), runner)
        # Connections over TLS take a moment to close.
        # Source: https://docs.aiohttp.org/en/stable/client_advanced.html#graceful-shutdown
        runner.run(asyncio.sleep(0.25))
    plane.kubectl.run("delete", *kinds)
    plane.kubectl.run("delete", "--ignore-not-found", "-f", str(REPAIR))


@pytest.fixture(scope="module")
def blind(scene: Scene, webhook_port: int) -> Iterator[ClusterView]:
    """Have a plugin pod that was made while the webhook was away; then run it, so that the next one would reach it.

    Each test evicts that same pod, which no kubelet ends, by what was seen before.
    """
    with gpu_nodes(scene.plane.kubectl, POOLS), running_webhook(scene.plane, webhook_port):
        until(lambda: would_be_decided(scene.plane.kubectl), "the API server calls the webhook")
        yield scene.take(see)
    # Its holder is no replica: another would wait for it, and read evictions that are not its own.
    for path in (f"{LEASES}/{LEASE}", f"{STATES}/{STATE}"):
        scene.call("DELETE", path)


def test_every_right_has_its_place_here() -> None:
    """A new right needs a test that shows its use."""
    assert {*VIEW, *LOOKS, *CERTIFICATES, *REPAIRS, *SETBACKS, *HEARTBEATS, *STORED} == GRANTED


@on_one_version
@pytest.mark.parametrize("right", VIEW, ids=str)
def test_what_may_not_be_followed_is_told(right: Right, scene: Scene) -> None:
    """Every kind is listed and watched."""
    scene.assert_needed(
        right, VIEW[right], lambda asked: scene.take(lambda api: follow(api, lambda: right in asked.used()))
    )


@on_one_version
@pytest.mark.parametrize("right", LOOKS, ids=str)
def test_what_may_not_be_looked_at_is_not_guessed(right: Right, scene: Scene) -> None:
    """A namespace or class of a moment ago is asked for before the pod is left alone."""

    def step(_: Asked) -> set[str]:
        late = f"late-{secrets.token_hex(3)}"
        about = (ENABLED, late) if right.resource == "runtimeclasses" else (late, "nvidia")
        try:
            return scene.take(lambda api: _words(decide_of_latecomers(api, *about, lambda: _create(scene, late))))
        finally:
            scene.call("DELETE", f"{CLASSES}/{late}")
            scene.call("DELETE", f"/api/v1/namespaces/{late}")

    scene.assert_needed(right, LOOKS[right], step)


async def _words(decision: Awaitable[str]) -> set[str]:
    return {await decision}


def _create(scene: Scene, name: str) -> None:
    scene.call("POST", CLASSES, {"metadata": {"name": name}, "handler": "nvidia"})
    scene.call("POST", "/api/v1/namespaces", {"metadata": {"name": name, "labels": {INJECT: "enabled"}}})


@on_one_version
@pytest.mark.parametrize("right", CERTIFICATES, ids=str)
def test_the_certificate_cannot_be_kept(right: Right, scene: Scene) -> None:
    """The Secret is deleted or emptied, and every caBundle is cleared: all of it is put back with the right."""

    def step(_: Asked) -> set[str]:
        if right.verb == "create":
            scene.call("DELETE", INSTALLATION.secret_path)
        else:
            scene.call("PATCH", INSTALLATION.secret_path, {"data": None}, MERGE_PATCH)
        for path in (MUTATING, VALIDATING):
            cleared = [
                {**entry, "clientConfig": {"url": entry["clientConfig"]["url"]}} for entry in _entries(scene, path)
            ]
            scene.call("PATCH", path, {"webhooks": cleared}, MERGE_PATCH)
        return scene.take(keep_certificate)

    scene.assert_needed(right, CERTIFICATES[right], step)


def _entries(scene: Scene, path: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = scene.admin.get(path)["webhooks"]
    return entries


@on_one_version
@pytest.mark.parametrize("right", REPAIRS, ids=str)
def test_blind_pods_cannot_be_told_of_or_evicted(right: Right, scene: Scene, blind: ClusterView) -> None:
    """What was evicted before is forgotten each time."""

    def step(_: Asked) -> set[str]:
        for path in (f"{LEASES}/{LEASE}", f"{STATES}/{STATE}"):
            scene.call("DELETE", path)
        return scene.take(lambda api: repair(api, blind))

    with _reached_by_service(scene) if right.resource == "services" else contextlib.nullcontext():
        scene.assert_needed(right, REPAIRS[right], step)


@on_one_version
@pytest.mark.parametrize("right", SETBACKS, ids=str)
def test_setbacks_cannot_be_kept(right: Right, scene: Scene) -> None:
    """Lease and state are created where there are none, and written where there are; then a blocked pod is deleted."""

    def step(_: Asked) -> set[str]:
        for collection, name in ((LEASES, LEASE), (STATES, STATE)):
            scene.call("DELETE", f"{collection}/{name}")
            if right.verb == "update":
                scene.call("POST", collection, {"metadata": {"name": name}})
        return scene.take(keep_setbacks)

    scene.assert_needed(right, SETBACKS[right], step)


@on_one_version
@pytest.mark.parametrize("right", HEARTBEATS, ids=str)
def test_the_heartbeat_cannot_be_reported(right: Right, scene: Scene) -> None:
    """It is sent all the same. Its rights to the Lease and to create ConfigMaps are those of the setbacks."""
    scene.assert_needed(right, HEARTBEATS[right], lambda _: scene.take(send_heartbeats))


@on_one_version
@pytest.mark.parametrize("right", STORED, ids=str)
def test_the_stored_state_cannot_be_followed(right: Right, scene: Scene) -> None:
    """Every replica watches it."""
    scene.assert_needed(
        right, STORED[right], lambda asked: scene.take(lambda api: follow_state(api, lambda: right in asked.used()))
    )


@contextlib.contextmanager
def _reached_by_service(scene: Scene) -> Iterator[None]:
    """Let the entry for plugin pods name a Service without an address: nothing here would lead from one to us."""
    entries, service = _entries(scene, MUTATING), scene.admin.get(f"{SERVICES}/{NAME}")
    reference = {"service": {"name": NAME, "namespace": NAME, "path": "/mutate/bootstrap", "port": 443}}
    by_service = [
        {**entry, "clientConfig": reference} if entry["name"].startswith("bootstrap.") else entry for entry in entries
    ]
    scene.call("DELETE", f"{SERVICES}/{NAME}")
    bare = {"ports": service["spec"]["ports"], "selector": service["spec"]["selector"]}
    named = {"metadata": {"name": NAME, "labels": service["metadata"]["labels"]}}
    scene.call("POST", SERVICES, {**named, "spec": {**bare, "clusterIP": "None"}})
    scene.call("PATCH", MUTATING, {"webhooks": by_service}, MERGE_PATCH)
    try:
        yield
    finally:
        scene.call("PATCH", MUTATING, {"webhooks": entries}, MERGE_PATCH)
        scene.call("DELETE", f"{SERVICES}/{NAME}")
        scene.call("POST", SERVICES, {**named, "spec": bare})
