"""What ``preview`` cannot know: GPUs that something else adds to a pod. docs/preview.md says the same."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from e2e.kubectl import Kubectl
from e2e.namespaces import ENABLED
from e2e.pods import GPU, container, decision_of, pod, runtime_class_of
from e2e.processes import until
from e2e.sidecar_injector import LABEL, SIDECAR, sidecar_injector

GPU_SIDECAR = {**SIDECAR, "resources": {"limits": {GPU: "1"}}}
LIMIT_RANGE = {
    "apiVersion": "v1",
    "kind": "LimitRange",
    "metadata": {"name": "gpus", "namespace": ENABLED},
    "spec": {"limits": [{"type": "Container", "default": {GPU: "1"}, "defaultRequest": {GPU: "1"}}]},
}


def created_with_gpu(kubectl: Kubectl, author: Mapping[str, Any]) -> dict[str, Any]:
    """Return the pod as soon as something adds a GPU to it."""

    def pod_with_gpu() -> dict[str, Any] | None:
        item = kubectl.create(author, "--dry-run=server").object
        limits = [one.get("resources", {}).get("limits", {}) for one in item["spec"]["containers"]]
        return item if any(GPU in limit for limit in limits) else None

    created = until(pod_with_gpu, "a GPU is added to the pod")
    assert created
    return created


@pytest.mark.usefixtures("webhook")
def test_a_limit_range_acts_before_the_webhook(kubectl: Kubectl) -> None:
    """The pod gets its GPU and then the class; preview knows the manifest alone."""
    kubectl.apply([LIMIT_RANGE])
    try:
        created = created_with_gpu(kubectl, pod(ENABLED, container()))
    finally:
        kubectl.run("delete", "limitrange", "gpus", "-n", ENABLED)
    assert (decision_of(created), runtime_class_of(created)) == ("inject/runtime-class", "nvidia")


@pytest.mark.usefixtures("webhook")
def test_a_webhook_that_was_not_called_first_is_not_called_again(kubectl: Kubectl, tmp_path: Path) -> None:
    """A later webhook adds a GPU; our condition was false in the first round, so the pod stays as it is."""
    with sidecar_injector(tmp_path, GPU_SIDECAR) as registration:
        kubectl.apply([registration])
        try:
            created = created_with_gpu(kubectl, pod(ENABLED, container(), labels={LABEL: "enabled"}))
        finally:
            kubectl.run("delete", "mutatingwebhookconfiguration", registration["metadata"]["name"])
    assert [one["name"] for one in created["spec"]["containers"]] == ["main", SIDECAR["name"]]
    assert (decision_of(created), runtime_class_of(created)) == (None, None)
