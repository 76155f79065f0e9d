"""A registration without our selectors and conditions: they save calls, and the rule holds without them.

Such a registration is what an administrator's edit, or another version's manifest, may leave in a cluster.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from e2e.audit import audited_decision
from e2e.control_plane import ControlPlane
from e2e.installation import NAME, Webhook
from e2e.kubectl import Kubectl
from e2e.namespaces import DISABLED, ENABLED, INJECT, UNLABELLED
from e2e.pods import as_written, container, decision_of, pod
from e2e.processes import until

ENTRY = "wide.example.com"
CALLED = {"example.com/wide": "called"}

Pod = Mapping[str, Any]

# By name: the pod, the reason, and whether it is a GPU pod, which alone gets the annotation.
ASKED_FOR_NOTHING: Mapping[str, tuple[Pod, str, bool]] = {
    "pod-opted-out": (pod(ENABLED, labels={**CALLED, INJECT: "disabled"}), "leave/opted-out", True),
    "namespace-opted-out": (pod(DISABLED, labels=CALLED), "leave/opted-out", True),
    "namespace-not-opted-in": (pod(UNLABELLED, labels=CALLED), "leave/not-opted-in", True),
    "zero": (pod(ENABLED, container(gpus=0), labels=CALLED), "leave/zero-quantity", False),
    "no-gpu": (pod(ENABLED, container(), labels=CALLED), "leave/no-gpu", False),
}


@pytest.fixture(scope="module")
def wide_registration(kubectl: Kubectl, webhook: Webhook) -> Iterator[None]:
    """Have the webhook called for every request about the pods with a label."""
    ours = kubectl.get("mutatingwebhookconfiguration", NAME)["webhooks"][0]
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE", "UPDATE"]}
    kept = {key: ours[key] for key in ("clientConfig", "admissionReviewVersions", "sideEffects", "failurePolicy")}
    entry = {**kept, "name": ENTRY, "rules": [rule], "objectSelector": {"matchLabels": CALLED}}
    kubectl.apply(
        [
            {
                "apiVersion": "admissionregistration.k8s.io/v1",
                "kind": "MutatingWebhookConfiguration",
                "metadata": {"name": "wide"},
                "webhooks": [entry],
            }
        ]
    )
    before = webhook.calls()
    until(lambda: called_for_nothing(kubectl, webhook, before), "the wide registration is in effect")
    yield
    kubectl.run("delete", "mutatingwebhookconfiguration", "wide")


def called_for_nothing(kubectl: Kubectl, webhook: Webhook, before: int) -> bool:
    """Say whether the webhook is called for a pod without a GPU."""
    kubectl.create(pod(ENABLED, container(), labels=CALLED), "--dry-run=server")
    return webhook.calls() > before


@pytest.mark.usefixtures("wide_registration")
@pytest.mark.parametrize("name", ASKED_FOR_NOTHING)
def test_a_pod_that_asks_for_nothing_is_left_alone(plane: ControlPlane, kubectl: Kubectl, name: str) -> None:
    """Labels and quantities decide here once more; the audit log tells the reason."""
    author, word, is_gpu_pod = ASKED_FOR_NOTHING[name]
    author = {**author, "metadata": {**author["metadata"], "name": name}}
    created = kubectl.create(author)
    assert created.object["spec"] == as_written(kubectl, author)
    assert decision_of(created.object) == (word if is_gpu_pod else None)
    assert audited_decision(plane, ENTRY, name) == word
    assert created.warnings == []


@pytest.mark.usefixtures("wide_registration")
def test_a_change_of_a_pod_is_not_ours(plane: ControlPlane, kubectl: Kubectl) -> None:
    """Only a pod's creation is: a later change is let through as it is."""
    kubectl.create(pod(ENABLED, name="changed", labels=CALLED))
    kubectl.run("label", "pod", "changed", "--namespace", ENABLED, "example.com/changed=yes")
    assert audited_decision(plane, ENTRY, "changed", verb="patch") == "leave/not-applicable"
