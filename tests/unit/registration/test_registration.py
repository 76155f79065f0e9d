"""The registrations in deploy/install.yaml agree with the policy and the documented names."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from webhook.names import HEARTBEAT_KEY, HEARTBEAT_VALUE
from webhook.policy.model import Policy
from webhook.registration import expected_entries
from webhook.registration.conditions import (
    changed_template_condition,
    gpu_pods_condition,
    gpu_templates_condition,
    injected_pods_condition,
    no_controller_condition,
    plugin_pods_condition,
)
from webhook.registration.drift import entry_drift, missing_entries
from webhook.registration.heartbeat_object import heartbeat_condition
from webhook.server.app import PATHS

INSTALL = Path(__file__).parents[3] / "deploy" / "install.yaml"
MANIFESTS = list(yaml.safe_load_all(INSTALL.read_text()))
REGISTRATIONS = [item for item in MANIFESTS if item["kind"].endswith("WebhookConfiguration")]
ENTRIES: dict[str, dict[str, Any]] = {entry["name"]: entry for item in REGISTRATIONS for entry in item["webhooks"]}

CONDITIONS = {
    "workloads.gpu-injector.io": {"requests-gpu": gpu_pods_condition(Policy())},
    "bootstrap.gpu-injector.io": {"is-plugin": plugin_pods_condition(Policy())},
    "ephemeral.gpu-injector.io": {"injected": injected_pods_condition()},
    "heartbeat.gpu-injector.io": {"heartbeat": heartbeat_condition()},
    "templates.gpu-injector.io": {
        "no-controller": no_controller_condition(),
        "template-changed": changed_template_condition(),
        "requests-gpu": gpu_templates_condition(Policy()),
    },
}


@pytest.mark.parametrize("name", CONDITIONS)
def test_the_manifest_contains_the_policys_conditions(name: str) -> None:
    """What the API server filters by is what the default policy lists."""
    assert {item["name"]: item["expression"] for item in ENTRIES[name]["matchConditions"]} == CONDITIONS[name]


def test_every_entry_has_its_path() -> None:
    """And every path an entry."""
    paths = {name: entry["clientConfig"]["service"]["path"] for name, entry in ENTRIES.items()}
    assert paths == expected_entries.PATHS
    assert set(paths.values()) == PATHS


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)
def test_every_entry_fails_open_and_may_be_refused(entry: dict[str, Any]) -> None:
    """Without the webhook, pods are created as before; a pod's label excludes it."""
    assert (entry["failurePolicy"], entry["timeoutSeconds"], entry["sideEffects"]) == ("Ignore", 3, "None")
    if entry["name"].startswith("heartbeat."):
        assert entry["objectSelector"] == {"matchLabels": {HEARTBEAT_KEY: HEARTBEAT_VALUE}}
        return
    (refusal,) = entry["objectSelector"]["matchExpressions"]
    assert refusal == {"key": "gpu-injector.io/inject", "operator": "NotIn", "values": ["disabled"]}


@pytest.mark.parametrize("name", sorted(set(CONDITIONS) - {"bootstrap.gpu-injector.io", "heartbeat.gpu-injector.io"}))
def test_namespaces_opt_in(name: str) -> None:
    """The API server calls us only for labelled namespaces, and never for our own."""
    asked, own = ENTRIES[name]["namespaceSelector"]["matchExpressions"]
    assert asked == {"key": "gpu-injector.io/inject", "operator": "In", "values": ["enabled", "dry-run"]}
    assert own == {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["gpu-injector"]}


def test_plugins_are_reviewed_only_in_namespaces_of_the_policy() -> None:
    """In other namespaces a tenant could create such a pod."""
    (names,) = ENTRIES["bootstrap.gpu-injector.io"]["namespaceSelector"]["matchExpressions"]
    allowed = list(Policy().bootstrap.namespaces)
    assert names == {"key": "kubernetes.io/metadata.name", "operator": "In", "values": allowed}


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)
def test_the_manifest_is_what_this_version_expects(entry: dict[str, Any]) -> None:
    """The heartbeat and doctor report every difference."""
    assert list(entry_drift(entry, Policy(), "gpu-injector")) == []
    assert missing_entries(ENTRIES) == ()


def test_the_heartbeat_is_called_for_one_config_map_of_our_namespace() -> None:
    """No other object of the cluster may wait for it."""
    entry = ENTRIES["heartbeat.gpu-injector.io"]
    (own,) = entry["namespaceSelector"]["matchExpressions"]
    assert own == {"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["gpu-injector"]}
    (rule,) = entry["rules"]
    assert (rule["operations"], rule["resources"], rule["scope"]) == (["CREATE"], ["configmaps"], "Namespaced")


def test_the_registrations_come_first() -> None:
    """`kubectl delete -f` removes in order."""
    assert MANIFESTS[:2] == REGISTRATIONS


def test_every_resource_of_the_policy_is_in_the_condition() -> None:
    """A star is only a suffix."""
    condition = gpu_pods_condition(Policy(resources=("example.com/a", "example.com/b-*")))
    assert "k == 'example.com/a' || k.startsWith('example.com/b-')" in condition
    assert "nvidia" not in condition
