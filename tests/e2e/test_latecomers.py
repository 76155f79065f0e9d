"""What comes after the webhook has started: a RuntimeClass of a moment ago, the GPU Operator, a DeviceClass of DRA."""

from collections.abc import Iterator
from typing import Any

import pytest

from e2e.conftest import RUNTIME_CLASSES
from e2e.custom_kinds import CLUSTER_POLICIES
from e2e.installation import Webhook
from e2e.kubectl import Kubectl
from e2e.namespaces import ENABLED
from e2e.pods import assert_warned, decision_of, pod, runtime_class_of, would_be_decided
from e2e.processes import until

# An API that is not there is looked for again after 30 to 45 s.
APPEARS_SECONDS = 90


def cluster_policy(**cdi: bool) -> dict[str, Any]:
    """Return the GPU Operator's settings."""
    return {
        "apiVersion": "nvidia.com/v1",
        "kind": "ClusterPolicy",
        "metadata": {"name": "cluster-policy"},
        "spec": {"cdi": cdi},
    }


def becomes(kubectl: Kubectl, word: str, *, seconds: float = 60) -> None:
    """Wait until a GPU pod would get a decision."""
    until(lambda: would_be_decided(kubectl) == word, f"a GPU pod gets {word}", seconds=seconds)


@pytest.mark.usefixtures("webhook")
def test_a_runtime_class_of_a_moment_ago_is_not_missed(kubectl: Kubectl) -> None:
    """The pod that follows the class at once gets it, however often that is tried."""
    for _ in range(5):
        kubectl.run("delete", "runtimeclass", "nvidia")
        becomes(kubectl, "leave/runtime-class-missing")
        kubectl.apply(RUNTIME_CLASSES)
        created = kubectl.create(pod(ENABLED))
        assert (runtime_class_of(created.object), decision_of(created.object)) == ("nvidia", "inject/runtime-class")


@pytest.fixture
def operator(kubectl: Kubectl, webhook: Webhook) -> Iterator[Kubectl]:
    """Install the GPU Operator's API while the webhook runs."""
    assert would_be_decided(kubectl) == "inject/runtime-class"
    kubectl.apply([CLUSTER_POLICIES])
    name = CLUSTER_POLICIES["metadata"]["name"]
    kubectl.run("wait", "--for=condition=Established", f"customresourcedefinition/{name}")
    yield kubectl
    kubectl.run("delete", "customresourcedefinition", name)
    becomes(kubectl, "inject/runtime-class", seconds=APPEARS_SECONDS)
    webhook.process.check_alive()


def test_the_operators_settings_are_followed(operator: Kubectl) -> None:
    """Its API appears later. CDI and NRI leave pods alone silently; so does its toolkit."""
    operator.apply([cluster_policy(enabled=True)])
    becomes(operator, "leave/cdi", seconds=APPEARS_SECONDS)
    created = operator.create(pod(ENABLED))
    assert (runtime_class_of(created.object), created.warnings) == (None, [])
    operator.apply([cluster_policy(enabled=True, nriPluginEnabled=True)])
    becomes(operator, "leave/nri")
    operator.apply([cluster_policy(enabled=False, nriPluginEnabled=False)])
    becomes(operator, "leave/platform-provides")


def test_a_device_class_is_followed(kubectl: Kubectl, webhook: Webhook, minor: str) -> None:
    """DRA serves the resource from 1.34 on; an older API server has no such class, and that is no error."""
    known = kubectl.run("api-resources", "--api-group=resource.k8s.io", "-o", "name").stdout.split()
    assert ("deviceclasses.resource.k8s.io" in known) == (minor != "1.33")
    if "deviceclasses.resource.k8s.io" not in known:
        assert b"not ready" not in webhook.read("/readyz")
        return
    item = {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "DeviceClass",
        "metadata": {"name": "gpu.nvidia.com"},
        "spec": {"extendedResourceName": "nvidia.com/gpu"},
    }
    kubectl.apply([item])
    try:
        becomes(kubectl, "leave/dra")
        created = kubectl.create(pod(ENABLED))
        assert runtime_class_of(created.object) is None
        assert_warned(created.warnings, "")
    finally:
        kubectl.run("delete", "deviceclass", "gpu.nvidia.com")
    becomes(kubectl, "inject/runtime-class")
