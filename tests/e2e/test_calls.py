"""For which pods the API server calls the webhook, by our request counter, which nothing else changes."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from e2e.installation import Webhook
from e2e.kubectl import Kubectl
from e2e.namespaces import DISABLED, DRY_RUN, ENABLED, INJECT, UNLABELLED
from e2e.pods import container, decision_of, pod, runtime_class_of, visible_devices_of
from e2e.processes import until
from e2e.sidecar_injector import LABEL, SIDECAR, sidecar_injector

Pod = Mapping[str, Any]


def asking_for(resource: str) -> Pod:
    """Return a pod that requests one of some other resource."""
    return pod(ENABLED, container(resources={"limits": {resource: 1}}))


NOBODY_ASKS: Mapping[str, Pod] = {
    "no GPU": pod(ENABLED, container()),
    "zero": pod(ENABLED, container(gpus=0)),
    "zero as text": pod(ENABLED, container(gpus="0")),
    "zero thousands": pod(ENABLED, container(gpus="0k")),
    "a zero in every container": pod(ENABLED, container(gpus=0), initContainers=[container("init", gpus=0)]),
    "a GPU for passthrough": asking_for("nvidia.com/GA102GL_A10"),
    "a network device": asking_for("nvidia.com/rdma_shared_device_a"),
    "another vendor's GPU": asking_for("amd.com/gpu"),
    "pod opted out": pod(ENABLED, labels={INJECT: "disabled"}),
    "namespace opted out": pod(DISABLED),
    "namespace without label": pod(UNLABELLED),
}


def test_a_gpu_pod_causes_one_call(kubectl: Kubectl, webhook: Webhook) -> None:
    """Enabled, dry-run and server-side dry-run alike."""
    before = webhook.calls()
    kubectl.create(pod(ENABLED))
    kubectl.create(pod(DRY_RUN))
    kubectl.create(pod(ENABLED), "--dry-run=server")
    assert webhook.calls() == before + 3


@pytest.mark.parametrize("author", NOBODY_ASKS.values(), ids=NOBODY_ASKS)
def test_a_pod_that_is_none_of_ours_causes_no_call(kubectl: Kubectl, webhook: Webhook, author: Pod) -> None:
    """The GPU pods before and after it cause one call each, so the counter would have shown a third."""
    before = webhook.calls()
    kubectl.create(pod(ENABLED))
    created = kubectl.create(author)
    kubectl.create(pod(ENABLED))
    assert webhook.calls() == before + 2
    assert (runtime_class_of(created.object), decision_of(created.object)) == (None, None)
    assert created.warnings == []


@pytest.fixture
def later_webhook(kubectl: Kubectl, webhook: Webhook, tmp_path: Path) -> Iterator[Webhook]:
    """Another webhook, called after ours, adds a container to the pods with its label."""
    labelled = pod(ENABLED, labels={LABEL: "enabled"})
    with sidecar_injector(tmp_path) as registration:
        kubectl.apply([registration])
        until(
            lambda: SIDECAR["name"] in visible_devices_of(kubectl.create(labelled, "--dry-run=server").object),
            "the other webhook is called",
        )
        yield webhook
        kubectl.run("delete", "mutatingwebhookconfiguration", registration["metadata"]["name"])


def test_a_container_that_a_later_webhook_adds_sees_no_gpu(kubectl: Kubectl, later_webhook: Webhook) -> None:
    """The API server asks us again (reinvocationPolicy IfNeeded), and we keep our decision."""
    before = later_webhook.calls()
    created = kubectl.create(pod(ENABLED, labels={LABEL: "enabled"}))
    assert later_webhook.calls() == before + 2
    assert visible_devices_of(created.object) == {"main": None, SIDECAR["name"]: "void"}
    assert (runtime_class_of(created.object), decision_of(created.object)) == ("nvidia", "inject/runtime-class")
    assert created.warnings == []
