"""The webhook dies: pods are still created, and the next process continues its work."""

from collections.abc import Iterator

import pytest

from e2e.control_plane import ControlPlane
from e2e.installation import NAME, running_webhook
from e2e.kubectl import Kubectl
from e2e.namespaces import ENABLED
from e2e.pods import decision_of, pod, runtime_class_of, wait_for_decision

INJECTED = "inject/runtime-class"


@pytest.fixture
def killed(plane: ControlPlane, webhook_port: int) -> Iterator[None]:
    """Kill a webhook that was at work, as the kernel kills a process that needs too much memory."""
    with running_webhook(plane, webhook_port) as webhook:
        wait_for_decision(plane.kubectl, INJECTED)
        webhook.process.kill()
        yield


@pytest.mark.usefixtures("killed")
def test_without_the_webhook_a_gpu_pod_is_created_unpatched(kubectl: Kubectl) -> None:
    """No pod fails because of us. Without the annotation it shows that the webhook was not called."""
    created = kubectl.create(pod(ENABLED))
    assert (runtime_class_of(created.object), decision_of(created.object)) == (None, None)
    assert (
        len(kubectl.get("pod", created.object["metadata"]["name"], "--namespace", ENABLED)["spec"]["containers"]) == 1
    )


@pytest.mark.usefixtures("killed")
def test_the_next_process_serves_under_the_same_authority(
    plane: ControlPlane, kubectl: Kubectl, webhook_port: int
) -> None:
    """The Secret outlives the process, so nothing that the API server trusts has to change."""
    before = ca_bundles(kubectl)
    with running_webhook(plane, webhook_port):
        wait_for_decision(kubectl, INJECTED)
        assert ca_bundles(kubectl) == before
    assert all(before)


def ca_bundles(kubectl: Kubectl) -> list[str]:
    """Return the caBundle of every entry of our registration."""
    entries = kubectl.get("mutatingwebhookconfiguration", NAME)["webhooks"]
    return [entry["clientConfig"].get("caBundle", "") for entry in entries]
