"""What else changes or refuses pods when they are created: other mutating webhooks, and LimitRanges."""

from collections.abc import Iterator, Mapping
from typing import Any

from webhook.decide.workload.context import setting_of
from webhook.doctor.check import Result, warns_on
from webhook.doctor.cluster_facts import ClusterFacts
from webhook.doctor.fact import ApiObject, known
from webhook.kube.label_selector import matches_selector
from webhook.kube.metadata import full_name, labels_of, name_of, namespace_of
from webhook.kube.quantity import is_positive
from webhook.kube.values import elements, items, mapping, text
from webhook.names import REGISTRATION_NAME

# Webhooks that set classes, variables or resources of GPU pods by themselves, by a word of their configuration's name.
OTHER_MUTATORS = {"kai": "KAI-Scheduler", "hami": "HAMi", "runai": "Run:ai", "run-ai": "Run:ai", "4pd": "HAMi"}


def other_mutators(facts: ClusterFacts) -> Result:
    """No other webhook sets runtime classes or variables of GPU pods."""
    troubles = (
        f"{found} changes GPU pods, too ({name_of(item)}{_order(item)})"
        for item in known(facts.webhooks)
        if (found := _mutator(item)) and any(map(_is_called_for_pods, items(item.get("webhooks"))))
    )
    return warns_on(
        troubles,
        "see that both agree on the runtime class: kubectl get mutatingwebhookconfigurations",
    )


def _order(item: ApiObject) -> str:
    """Say of a configuration that it is called after ours: the API server calls them by name."""
    return (
        ", called after ours: a GPU that it adds to a pod without one is not seen"
        if name_of(item) > REGISTRATION_NAME
        else ""
    )


def later_mutators(facts: ClusterFacts) -> Result:
    """No LimitRange adds GPUs to pods; webhooks that are called after ours are named."""
    opted = {
        name_of(item): labels for item in known(facts.namespaces) if (labels := _opted_in(facts, item)) is not None
    }
    troubles = (
        f"LimitRange {full_name(item)} gives each container without resources {amount} {name}: preview does not know it"
        for item in known(facts.limit_ranges)
        if namespace_of(item) in opted
        for name, amount in _default_gpus(facts, item)
    )
    later = sorted(
        name_of(item) for item in known(facts.webhooks) if name_of(item) > REGISTRATION_NAME and _selects(item, opted)
    )
    shown = f"called for pods after ours: {', '.join(later)}" if later else ""
    return warns_on(
        troubles, "kubectl describe limitranges -A   (docs/preview.md: what preview cannot know)", otherwise=shown
    )


def _opted_in(facts: ClusterFacts, namespace: ApiObject) -> Mapping[str, str] | None:
    """Return the labels of a namespace that is opted in, None for another one."""
    labels = labels_of(namespace)
    return labels if setting_of(name_of(namespace), labels, facts.policy) in ("enabled", "dry-run") else None


def _default_gpus(facts: ClusterFacts, item: ApiObject) -> Iterator[tuple[str, str]]:
    for limit in items(mapping(item.get("spec")).get("limits")):
        defaults = {**mapping(limit.get("defaultRequest")), **mapping(limit.get("default"))}
        yield from (
            (name, str(amount))
            for name, amount in defaults.items()
            if facts.policy.is_gpu_resource(name) and is_positive(amount)
        )


def _selects(item: ApiObject, opted: Mapping[str, Mapping[str, str]]) -> bool:
    """Say whether a configuration has an entry for pods of a namespace that is opted in."""
    return any(
        _is_called_for_pods(entry)
        and any(matches_selector(mapping(entry.get("namespaceSelector")), labels) for labels in opted.values())
        for entry in items(item.get("webhooks"))
    )


def strict_mutators(facts: ClusterFacts) -> Result:
    """No other webhook that is called for pods can refuse them all when it is away."""
    troubles = (
        f"{name_of(item)}/{text(entry.get('name'))} has failurePolicy Fail and is called for every pod"
        for item in known(facts.webhooks)
        if item is not facts.registration
        for entry in items(item.get("webhooks"))
        if entry.get("failurePolicy", "Fail") == "Fail" and _is_called_for_pods(entry) and not _is_narrowed(entry)
    )
    return warns_on(troubles, "GPU pods cannot be created while that webhook is away: narrow its selectors")


def _mutator(item: ApiObject) -> str:
    words = name_of(item).lower().replace(".", "-")
    return next((name for word, name in OTHER_MUTATORS.items() if word in words), "")


def _is_called_for_pods(entry: Mapping[str, Any]) -> bool:
    return any(
        {"pods", "*", "*/*", "pods/*"} & set(map(text, elements(rule.get("resources"))))
        and {"CREATE", "*"} & set(map(text, elements(rule.get("operations"))))
        for rule in items(entry.get("rules"))
    )


def _is_narrowed(entry: Mapping[str, Any]) -> bool:
    selectors = (mapping(entry.get("namespaceSelector")), mapping(entry.get("objectSelector")))
    return any(item.get("matchLabels") or item.get("matchExpressions") for item in selectors) or bool(
        entry.get("matchConditions")
    )
