"""Would the API server call an entry of a registration for a pod? Its selectors and conditions, one by one.

The registration is judged as it stands in the cluster, which need not be as we would write it. CEL is evaluated by a
library; a condition that it cannot evaluate is unknown.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from webhook.decide.pod import Pod
from webhook.kube.label_selector import has_labels, matches_expression
from webhook.kube.metadata import NAMESPACE_NAME_LABEL, labels_of
from webhook.kube.values import elements, items, mapping, text
from webhook.view.view import Labels


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must hold before the API server calls; ``holds`` is None where that is unknown."""

    name: str
    holds: bool | None
    evidence: str


def checks(entry: Mapping[str, Any], pod: Pod, namespace: str, labels: Labels | None) -> Iterator[Check]:
    """Yield what an entry asks of a pod; ``labels`` are its namespace's, None where they are unknown."""
    own = None if labels is None else {NAMESPACE_NAME_LABEL: namespace, **labels}
    yield _selector("namespace selector", entry.get("namespaceSelector"), own)
    yield _selector("object selector", entry.get("objectSelector"), labels_of(pod))
    for condition in items(entry.get("matchConditions")):
        yield _condition(text(condition.get("name")), text(condition.get("expression")), pod, namespace)


def verdict(found: Iterable[Check]) -> bool | None:
    """Say whether all checks hold; None where none fails and some are unknown."""
    states = [check.holds for check in found]
    if False in states:
        return False
    return None if None in states else True


def _selector(name: str, selector: object, labels: Labels | None) -> Check:
    """Judge a label selector; source: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/."""
    equal, expressions = (
        mapping(mapping(selector).get("matchLabels")),
        list(items(mapping(selector).get("matchExpressions"))),
    )
    wanted = [f"{key}={value}" for key, value in equal.items()] + [_shown(expression) for expression in expressions]
    if not wanted:
        return Check(name, True, "selects everything")
    if labels is None:
        return Check(name, None, f"wants {' and '.join(wanted)}; the labels are unknown")
    unmet = [f"{key}={value}" for key, value in equal.items() if not has_labels(labels, {key: value})]
    unmet += [_shown(expression) for expression in expressions if not matches_expression(expression, labels)]
    keys = dict.fromkeys((*equal, *(text(expression.get("key")) for expression in expressions)))
    present = ", ".join(f"{key}={labels[key]}" for key in keys if key in labels) or "none of these labels"
    asked = f"does not match: {' and '.join(unmet)}" if unmet else "matches"
    return Check(name, not unmet, f"{asked} ({present})")


def _shown(expression: Mapping[str, Any]) -> str:
    values = ", ".join(map(str, elements(expression.get("values"))))
    return f"{expression.get('key')} {expression.get('operator')}{f' ({values})' if values else ''}"


def _condition(name: str, expression: str, pod: Pod, namespace: str) -> Check:
    import cel  # noqa: PLC0415  heavy, and only for this command

    request = {
        "operation": "CREATE",
        "namespace": namespace,
        "resource": {"group": "", "version": "v1", "resource": "pods"},
    }
    variables = {"object": {"metadata": {}, "spec": {}, **pod}, "oldObject": None, "request": request}
    try:
        holds = cel.evaluate(expression, cel.Context(variables=variables, functions=FUNCTIONS))
    except (ValueError, TypeError, RuntimeError, LookupError) as error:
        return Check(f"condition {name}", None, f"cannot be evaluated here: {' '.join(str(error).split())}")
    return Check(f"condition {name}", holds is True, "holds" if holds is True else "does not hold")


def _quantity(value: str) -> float:
    from kubernetes.utils.quantity import parse_quantity  # noqa: PLC0415  heavy

    return float(parse_quantity(value))  # type: ignore[no-untyped-call]


# Kubernetes' own functions in CEL that conditions over resources need.
# https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-quantity-library
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "quantity": _quantity,
    "isGreaterThan": lambda one, other: one > other,
    "isLessThan": lambda one, other: one < other,
}
