"""Whether a node is one that a pod may be scheduled to, as the scheduler judges labels, affinity and taints.

Source: https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/ and .../taint-and-toleration/
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from webhook.raw import elements, items, mapping, text
from webhook.view.view import Labels, Node, Taint

# Of the taint that keeps other pods away from GPU nodes.
TOLERATION: Mapping[str, Any] = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}

# What Go's ParseInt reads, as far as a label can hold it.
INTEGER = re.compile(r"[+-]?\d{1,18}", re.ASCII)


def selects(spec: Mapping[str, Any], node: Node) -> bool:
    """Say whether ``nodeName``, ``nodeSelector`` and required node affinity of a pod's spec let the node in."""
    node_name = spec.get("nodeName")
    if node_name and text(node_name) != node.name:
        return False
    return has_labels(node.labels, mapping(spec.get("nodeSelector"))) and _affinity_selects(spec, node)


def has_labels(labels: Labels, wanted: Mapping[str, Any]) -> bool:
    """Say whether all wanted labels are there; a wanted null is the empty text, as the API server reads it."""
    return all(labels.get(key) == text(value) for key, value in wanted.items())


def tolerates_all(tolerations: Iterable[Mapping[str, Any]], taints: tuple[Taint, ...]) -> bool:
    """Say whether each taint is tolerated by one of the tolerations."""
    known = tuple(tolerations) if taints else ()
    return all(any(_tolerates(toleration, taint) for toleration in known) for taint in taints)


def _tolerates(toleration: Mapping[str, Any], taint: Taint) -> bool:
    if toleration.get("effect") not in (None, "", taint.effect):
        return False
    if toleration.get("operator") == "Exists":
        return toleration.get("key") in (None, "", taint.key)
    return toleration.get("key") == taint.key and text(toleration.get("value")) == taint.value


def required_terms(spec: Mapping[str, Any]) -> list[Mapping[str, Any]] | None:
    """Return the terms of the required node affinity, of which one has to match; None where nothing is required."""
    node_affinity = mapping(mapping(spec.get("affinity")).get("nodeAffinity"))
    required = node_affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    return None if required is None else list(items(mapping(required).get("nodeSelectorTerms")))


def matches_expression(expression: Mapping[str, Any], labels: Labels) -> bool:
    """Say whether labels match one selector expression; an operator that is not known matches nothing."""
    return matches_value(expression, labels.get(text(expression.get("key"))))


def matches_value(expression: Mapping[str, Any], value: str | None) -> bool:
    """Say whether the value of an expression's key matches it; None where there is none."""
    values = [text(item) for item in elements(expression.get("values"))]
    match expression.get("operator"):
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt" | "Lt" as operator:
            return _compares(operator, value, values)
        case _:
            return False


def _affinity_selects(spec: Mapping[str, Any], node: Node) -> bool:
    terms = required_terms(spec)
    return terms is None or any(_term_selects(term, node) for term in terms)


def _term_selects(term: Mapping[str, Any], node: Node) -> bool:
    expressions, fields = list(items(term.get("matchExpressions"))), list(items(term.get("matchFields")))
    # An empty term selects nothing.
    return bool(expressions or fields) and (
        all(matches_expression(expression, node.labels) for expression in expressions)
        and all(matches_expression(expression, {"metadata.name": node.name}) for expression in fields)
    )


def _compares(operator: str, value: str | None, values: list[str]) -> bool:
    if len(values) != 1 or not INTEGER.fullmatch(value or "") or not INTEGER.fullmatch(values[0]):
        return False
    left, right = int(value or ""), int(values[0])
    return left > right if operator == "Gt" else left < right
