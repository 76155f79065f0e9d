"""The registrations in deploy/install.yaml, against the policy and the names that are promised."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from webhook.policy import Policy
from webhook.registration import (
    changed_template_condition,
    gpu_pods_condition,
    gpu_templates_condition,
    injected_pods_condition,
    no_controller_condition,
)
from webhook.server.app import EPHEMERAL_PATH, PATHS, TEMPLATES_PATH, WORKLOADS_PATH

INSTALL = Path(__file__).parents[1] / "deploy" / "install.yaml"
MANIFESTS = list(yaml.safe_load_all(INSTALL.read_text()))
REGISTRATIONS = [item for item in MANIFESTS if item["kind"].endswith("WebhookConfiguration")]
ENTRIES: dict[str, dict[str, Any]] = {entry["name"]: entry for item in REGISTRATIONS for entry in item["webhooks"]}

CONDITIONS = {
    "workloads.gpu-injector.io": {"requests-gpu": gpu_pods_condition(Policy())},
    "ephemeral.gpu-injector.io": {"injected": injected_pods_condition()},
    "templates.gpu-injector.io": {
        "no-controller": no_controller_condition(),
        "template-changed": changed_template_condition(),
        "requests-gpu": gpu_templates_condition(Policy()),
    },
}


@pytest.mark.parametrize("name", CONDITIONS)
def test_the_manifest_carries_the_policys_conditions(name: str) -> None:
    """What the API server filters by is what the default policy lists."""
    assert {item["name"]: item["expression"] for item in ENTRIES[name]["matchConditions"]} == CONDITIONS[name]


def test_every_entry_has_its_path() -> None:
    """And every path an entry."""
    paths = {name: entry["clientConfig"]["service"]["path"] for name, entry in ENTRIES.items()}
    assert paths == {
        "workloads.gpu-injector.io": WORKLOADS_PATH,
        "ephemeral.gpu-injector.io": EPHEMERAL_PATH,
        "templates.gpu-injector.io": TEMPLATES_PATH,
    }
    assert set(paths.values()) == PATHS


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)
def test_every_entry_fails_open_and_asks_for_consent(entry: dict[str, Any]) -> None:
    """Without us, pods are created as before; without a label, nobody calls us."""
    assert (entry["failurePolicy"], entry["timeoutSeconds"], entry["sideEffects"]) == ("Ignore", 3, "None")
    asked, own = entry["namespaceSelector"]["matchExpressions"]
    assert asked == {"key": "gpu-injector.io/inject", "operator": "In", "values": ["enabled", "dry-run"]}
    assert own == {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["gpu-injector"]}


def test_the_registrations_come_first() -> None:
    """`kubectl delete -f` removes in order."""
    assert MANIFESTS[:2] == REGISTRATIONS


def test_every_resource_of_the_policy_is_in_the_condition() -> None:
    """A star is only a suffix."""
    condition = gpu_pods_condition(Policy(resources=("example.com/a", "example.com/b-*")))
    assert "k == 'example.com/a' || k.startsWith('example.com/b-')" in condition
    assert "nvidia" not in condition
