"""Count the injected GPU pods of each namespace that is opted in, while the pods are listed."""

from collections.abc import Mapping
from typing import Any

from webhook.commands.shared.prediction import Situation
from webhook.decide.injected_pods import InjectedPods, opted_in
from webhook.kube.metadata import namespace_of
from webhook.kube.values import EMPTY
from webhook.policy.model import Policy


def opted_in_namespaces(situation: Situation) -> dict[str, InjectedPods]:
    """Return empty counts for each namespace that is opted in."""
    known = situation.view.namespaces or EMPTY
    return {name: InjectedPods() for name, labels in known.items() if opted_in(labels, situation.policy)}


def count_pod(counts: Mapping[str, InjectedPods], policy: Policy, pod: Mapping[str, Any]) -> None:
    """Add a pod to the counts of its namespace."""
    if namespace := counts.get(namespace_of(pod)):
        namespace.add(pod, policy)
