"""Pods that controllers create: no user sees a warning there, so the pods themselves must be right."""

from typing import Any

import pytest

from e2e.installation import NAME
from e2e.kubectl import Kubectl
from e2e.namespaces import ENABLED
from e2e.pods import container, decision_of, runtime_class_of, visible_devices_of
from e2e.processes import until

pytestmark = pytest.mark.usefixtures("webhook")


def deployment(name: str, replicas: int) -> dict[str, Any]:
    """Return a Deployment of a model server with a sidecar, whose image is a CUDA image too."""
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container("model", gpus=1), container("logs")]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": ENABLED},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template},
    }


def pods_of(kubectl: Kubectl, namespace: str, selector: str, count: int) -> list[dict[str, Any]]:
    """Wait until controllers have made so many pods, and return them."""

    def made() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = kubectl.get("pods", "--namespace", namespace, "--selector", selector)["items"]
        return found if len(found) == count else []

    return until(made, f"{count} pods with {selector} in {namespace}")


def test_the_pods_of_a_deployment_are_patched(kubectl: Kubectl) -> None:
    """The template stays as it was written; each pod gets the class, and its sidecar sees no GPU."""
    kubectl.apply([deployment("inference", replicas=3)])
    pods = pods_of(kubectl, ENABLED, "app=inference", 3)
    assert [runtime_class_of(pod) for pod in pods] == ["nvidia"] * 3
    assert [decision_of(pod) for pod in pods] == ["inject/runtime-class"] * 3
    assert [visible_devices_of(pod) for pod in pods] == [{"model": None, "logs": "void"}] * 3
    template = kubectl.get("deployment", "inference", "--namespace", ENABLED)["spec"]["template"]
    assert "runtimeClassName" not in template["spec"]


def test_the_manifests_own_pods_are_admitted(kubectl: Kubectl) -> None:
    """Its namespace enforces PodSecurity "restricted", and two replicas pass."""
    pods_of(kubectl, NAME, f"app.kubernetes.io/name={NAME}", 2)


@pytest.mark.parametrize(
    "action",
    ["list pods", "create pods", "list secrets", "get nodes", "delete mutatingwebhookconfigurations/gpu-injector"],
)
def test_the_webhook_may_not(kubectl: Kubectl, action: str) -> None:
    """The process under test runs with the manifest's rights, not an administrator's."""
    account = f"system:serviceaccount:{NAME}:{NAME}"
    assert not kubectl.succeeds("auth", "can-i", *action.split(), "--as", account, "--all-namespaces")
