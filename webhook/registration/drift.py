"""How a registered entry differs from what this version and policy would register."""

from collections.abc import Iterator, Mapping
from typing import Any

from webhook.kube.values import items, mapping, text
from webhook.names import BOOTSTRAP_ENTRY, EPHEMERAL_ENTRY, INJECT_KEY, TEMPLATES_ENTRY, WORKLOADS_ENTRY
from webhook.policy.model import Policy
from webhook.registration.conditions import (
    changed_template_condition,
    gpu_pods_condition,
    gpu_templates_condition,
    injected_pods_condition,
    no_controller_condition,
    plugin_pods_condition,
)

# The API server's default.
LONGEST_SECONDS = 10


def differences(name: str, entry: Mapping[str, Any], policy: Policy) -> Iterator[str]:
    """Yield each difference that lets the entry stop pods, or keeps it from being called."""
    if entry.get("failurePolicy") != "Ignore":
        yield f"failurePolicy is {text(entry.get('failurePolicy'))}, so that pods are refused while the webhook is away"
    if entry.get("timeoutSeconds", LONGEST_SECONDS) >= LONGEST_SECONDS:
        yield f"timeoutSeconds is {entry.get('timeoutSeconds')}: creating pods may take that long"
    present = {_words(text(item.get("expression"))) for item in items(entry.get("matchConditions"))}
    if any(_words(condition) not in present for condition in _conditions(name, policy)):
        yield "its matchConditions are not those of this version and policy (`resources`, `bootstrap.plugins`)"
    if name != BOOTSTRAP_ENTRY and not _selects_on(entry.get("namespaceSelector"), INJECT_KEY):
        yield f"its namespaceSelector does not ask for {INJECT_KEY}"


def _conditions(name: str, policy: Policy) -> tuple[str, ...]:
    """Return the conditions that an entry of this name must have."""
    if name == WORKLOADS_ENTRY:
        return (gpu_pods_condition(policy),)
    if name == TEMPLATES_ENTRY:
        return (gpu_templates_condition(policy), no_controller_condition(), changed_template_condition())
    if name == EPHEMERAL_ENTRY:
        return (injected_pods_condition(),)
    return (plugin_pods_condition(policy),) if name == BOOTSTRAP_ENTRY else ()


def _selects_on(selector: object, key: str) -> bool:
    found = mapping(selector)
    return key in mapping(found.get("matchLabels")) or any(
        item.get("key") == key for item in items(found.get("matchExpressions"))
    )


def _words(expression: str) -> str:
    return " ".join(expression.split())
