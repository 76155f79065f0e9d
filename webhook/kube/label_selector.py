"""Label selectors: wanted labels, and the expressions of selectors and affinities.

Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
"""

import re
from collections.abc import Mapping
from typing import Any

from webhook.kube.values import elements, items, mapping, text

Labels = Mapping[str, str]

# What Go's ParseInt reads, as far as a label can hold it.
INTEGER = re.compile(r"[+-]?\d{1,18}", re.ASCII)


def has_labels(labels: Labels, wanted: Mapping[str, Any]) -> bool:
    """Say whether labels contain all wanted ones; a wanted null is the empty text, as the API server reads it."""
    return all(labels.get(key) == text(value) for key, value in wanted.items())


def matches_selector(selector: Mapping[str, Any], labels: Labels) -> bool:
    """Say whether labels match a selector's ``matchLabels`` and ``matchExpressions``; an empty one matches all."""
    expressions = items(selector.get("matchExpressions"))
    return has_labels(labels, mapping(selector.get("matchLabels"))) and all(
        matches_expression(expression, labels) for expression in expressions
    )


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


def _compares(operator: str, value: str | None, values: list[str]) -> bool:
    if len(values) != 1 or not INTEGER.fullmatch(value or "") or not INTEGER.fullmatch(values[0]):
        return False
    left, right = int(value or ""), int(values[0])
    return left > right if operator == "Gt" else left < right
