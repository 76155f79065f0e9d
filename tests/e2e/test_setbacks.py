"""A plugin pod that our patch blocks: it is recorded and deleted once, and nothing else is.

API server, DaemonSet controller, RBAC and the admission policy are real; the tests act as kubelets.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from e2e.blocked_plugins import (
    BLOCKED,
    MISSING,
    WORKING,
    block,
    event,
    fresh_webhook,
    is_going,
    patched_plugins,
    stored,
    texts,
)
from e2e.control_plane import ControlPlane
from e2e.device_plugins import NAMESPACE
from e2e.installation import NAME, Webhook
from e2e.kubectl import Kubectl, KubectlError
from e2e.namespaces import ENABLED
from e2e.processes import until


@pytest.fixture
def webhook(plane: ControlPlane, webhook_port: int) -> Iterator[Webhook]:
    """Run the webhook."""
    with fresh_webhook(plane, webhook_port) as running:
        yield running


@pytest.fixture
def patched(webhook: Webhook, kubectl: Kubectl) -> Iterator[dict[str, dict[str, Any]]]:  # noqa: ARG001  it patches them
    """Have plugin pods with our patch."""
    with patched_plugins(kubectl) as pods:
        yield pods


def test_a_blocked_pod_is_noted_and_deleted_once(
    webhook: Webhook, patched: dict[str, dict[str, Any]], kubectl: Kubectl
) -> None:
    """The one that is blocked, not the one that runs; the text is the Event's."""
    pod = patched[BLOCKED]
    kubectl.create(event(pod, NAMESPACE, message=MISSING))
    block(kubectl, pod)
    webhook.process.wait_until(lambda: stored(kubectl), "stores a setback")
    until(lambda: is_going(kubectl, BLOCKED, pod), "the blocked pod is deleted")
    (found,) = stored(kubectl)
    assert found["key"] == [NAMESPACE, "plugin-missed", BLOCKED, "nvml"]
    assert (found["pod"], found["released"]) == (pod["metadata"]["uid"], True)
    assert texts(kubectl) == [MISSING]
    assert not is_going(kubectl, WORKING, patched[WORKING])
    webhook.process.wait_until(lambda: webhook.metric("gpu_injector_setbacks", kind="blocked") == 1, "counts it")
    assert webhook.metric("gpu_injector_releases_total") == 1
    assert webhook.metric("gpu_injector_leader") == 1
    described = until(lambda: described_failure(kubectl), "an Event on the DaemonSet")
    assert MISSING in described


def test_a_stolen_token_deletes_nothing_else(
    plane: ControlPlane, patched: dict[str, dict[str, Any]], kubectl: Kubectl
) -> None:
    """The policy refuses plugin pods that are Ready, pods without our patch, and pods without a DaemonSet."""
    thief = Kubectl(kubectl.program, plane.kubeconfig_of(NAME, NAME))
    plain = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "plain", "namespace": NAMESPACE},
        "spec": {"containers": [{"name": "main", "image": "registry.example.com/x:1"}]},
    }
    kubectl.create(plain)
    try:
        assert "its own patch only" in refusal(thief, "plain")
        kubectl.run("annotate", "pod", "plain", "--namespace", NAMESPACE, "gpu-injector.io/decision=bootstrap/nvml")
        assert "pods of DaemonSets only" in refusal(thief, "plain")
    finally:
        kubectl.run("delete", "pod", "plain", "--namespace", NAMESPACE, "--force", "--grace-period=0")
    assert "a pod that is Ready" in refusal(thief, patched[WORKING]["metadata"]["name"])
    with pytest.raises(KubectlError, match="forbidden"):
        thief.run("delete", "pods", "--all", "--namespace", ENABLED, "--dry-run=server")
    block(kubectl, patched[WORKING])
    name = patched[WORKING]["metadata"]["name"]
    thief.run("delete", "pod", name, "--namespace", NAMESPACE, "--dry-run=server", "--wait=false")


def refusal(thief: Kubectl, pod: str) -> str:
    """Return why a pod of kube-system may not be deleted."""
    printed = thief.attempt("delete", "pod", pod, "--namespace", NAMESPACE, "--dry-run=server", "--wait=false")
    assert printed.code != 0
    return printed.stderr


def described_failure(kubectl: Kubectl) -> str:
    """Return what kubectl describes of the DaemonSet, empty without our Event."""
    described = kubectl.run("describe", "daemonset", "plugin-missed", "--namespace", NAMESPACE).stdout
    return described if "PatchFailed" in described else ""
