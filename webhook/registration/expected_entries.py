"""The entries of our registrations as this version renders them for a policy. A test compares them with the chart."""

from collections.abc import Mapping
from typing import Any

from webhook.kube.metadata import NAMESPACE_NAME_LABEL
from webhook.names import (
    BOOTSTRAP_ENTRY,
    BOOTSTRAP_PATH,
    EPHEMERAL_ENTRY,
    EPHEMERAL_PATH,
    HEARTBEAT_ENTRY,
    HEARTBEAT_KEY,
    HEARTBEAT_PATH,
    HEARTBEAT_VALUE,
    INJECT_KEY,
    TEMPLATES_ENTRY,
    TEMPLATES_PATH,
    VALIDATING_ENTRIES,
    WORKLOADS_ENTRY,
    WORKLOADS_PATH,
)
from webhook.policy.model import Policy
from webhook.registration.conditions import (
    changed_template_condition,
    gpu_pods_condition,
    gpu_templates_condition,
    injected_pods_condition,
    no_controller_condition,
    plugin_pods_condition,
)
from webhook.registration.heartbeat_object import heartbeat_condition

PATHS = {
    WORKLOADS_ENTRY: WORKLOADS_PATH,
    BOOTSTRAP_ENTRY: BOOTSTRAP_PATH,
    EPHEMERAL_ENTRY: EPHEMERAL_PATH,
    HEARTBEAT_ENTRY: HEARTBEAT_PATH,
    TEMPLATES_ENTRY: TEMPLATES_PATH,
}
TIMEOUT_SECONDS = 3

Json = Mapping[str, Any]


def expected_entry(name: str, policy: Policy, home: str) -> Json:
    """Return an entry of our registrations without its clientConfig; ``home`` is our own namespace."""
    return {
        "name": name,
        "failurePolicy": "Ignore",
        "matchPolicy": "Equivalent",
        "sideEffects": "None",
        "timeoutSeconds": TIMEOUT_SECONDS,
        "rules": _rules(name),
        "namespaceSelector": {"matchExpressions": _namespaces(name, policy, home)},
        "objectSelector": _objects(name),
        "matchConditions": [{"expression": text} for text in _conditions(name, policy)],
        **({} if name in VALIDATING_ENTRIES else {"reinvocationPolicy": _reinvocation(name)}),
    }


def _reinvocation(name: str) -> str:
    return "IfNeeded" if name in (WORKLOADS_ENTRY, BOOTSTRAP_ENTRY) else "Never"


def _rules(name: str) -> list[Json]:
    if name == EPHEMERAL_ENTRY:
        return [_rule("", "UPDATE", resources=["pods/ephemeralcontainers"])]
    if name == HEARTBEAT_ENTRY:
        return [_rule("", "CREATE", resources=["configmaps"])]
    if name == TEMPLATES_ENTRY:
        both = ("CREATE", "UPDATE")
        return [
            _rule("apps", *both, resources=["deployments", "statefulsets", "daemonsets"]),
            _rule("batch", *both, resources=["jobs", "cronjobs"]),
        ]
    return [_rule("", "CREATE", resources=["pods"])]


def _rule(group: str, *operations: str, resources: list[str]) -> Json:
    return {
        "apiGroups": [group],
        "apiVersions": ["v1"],
        "operations": list(operations),
        "resources": resources,
        "scope": "Namespaced",
    }


def _namespaces(name: str, policy: Policy, home: str) -> list[Json]:
    if name == HEARTBEAT_ENTRY:
        return [_expression(NAMESPACE_NAME_LABEL, "In", home)]
    if name == BOOTSTRAP_ENTRY:
        allowed = policy.bootstrap.namespaces
        if not allowed:
            return [{"key": NAMESPACE_NAME_LABEL, "operator": "DoesNotExist"}]
        return [_expression(NAMESPACE_NAME_LABEL, "In", *allowed)]
    opted_in = ("NotIn", "disabled") if policy.opt_out else ("In", "enabled", "dry-run")
    return [_expression(INJECT_KEY, *opted_in), _expression(NAMESPACE_NAME_LABEL, "NotIn", home)]


def _objects(name: str) -> Json:
    if name == HEARTBEAT_ENTRY:
        return {"matchLabels": {HEARTBEAT_KEY: HEARTBEAT_VALUE}}
    return {"matchExpressions": [_expression(INJECT_KEY, "NotIn", "disabled")]}


def _expression(key: str, operator: str, *values: str) -> Json:
    return {"key": key, "operator": operator, "values": list(values)}


def _conditions(name: str, policy: Policy) -> tuple[str, ...]:
    if name == WORKLOADS_ENTRY:
        return (gpu_pods_condition(policy),)
    if name == BOOTSTRAP_ENTRY:
        return (plugin_pods_condition(policy),)
    if name == EPHEMERAL_ENTRY:
        return (injected_pods_condition(),)
    if name == HEARTBEAT_ENTRY:
        return (heartbeat_condition(),)
    return (no_controller_condition(), changed_template_condition(), gpu_templates_condition(policy))
