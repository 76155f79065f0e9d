"""The registration in deploy/install.yaml, against the policy and the names that are promised."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from webhook.policy import Policy
from webhook.registration import gpu_pods_condition
from webhook.server.app import WORKLOADS_PATH

INSTALL = Path(__file__).parents[1] / "deploy" / "install.yaml"


@pytest.fixture
def manifests() -> dict[str, dict[str, Any]]:
    """Return the manifests by kind."""
    return {item["kind"]: item for item in yaml.safe_load_all(INSTALL.read_text())}


def test_the_manifest_carries_the_policys_condition(manifests: dict[str, dict[str, Any]]) -> None:
    """What the API server filters by is what the default policy lists."""
    (entry,) = manifests["MutatingWebhookConfiguration"]["webhooks"]
    assert [item["expression"] for item in entry["matchConditions"]] == [gpu_pods_condition(Policy())]
    assert entry["clientConfig"]["service"]["path"] == WORKLOADS_PATH


def test_the_registration_comes_first_and_fails_open(manifests: dict[str, dict[str, Any]]) -> None:
    """`kubectl delete -f` removes in order; and without us, pods are created as before."""
    assert next(iter(manifests)) == "MutatingWebhookConfiguration"
    (entry,) = manifests["MutatingWebhookConfiguration"]["webhooks"]
    assert (entry["failurePolicy"], entry["timeoutSeconds"], entry["sideEffects"]) == ("Ignore", 3, "None")


def test_every_resource_of_the_policy_is_in_the_condition() -> None:
    """A star is only a suffix."""
    condition = gpu_pods_condition(Policy(resources=("example.com/a", "example.com/b-*")))
    assert "k == 'example.com/a' || k.startsWith('example.com/b-')" in condition
    assert "nvidia" not in condition
