"""Whether a pod may be scheduled to a node: node name, node selector, required node affinity, and taints.

Source: https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/ and .../taint-and-toleration/
"""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from webhook.kube.label_selector import Labels, has_labels, matches_expression
from webhook.kube.values import elements, items, mapping, text

NAME_FIELD = "metadata.name"
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


class NodeLabels(Protocol):
    """What selectors read of a node."""

    @property
    def name(self) -> str: ...  # noqa: D102  the node's name
    @property
    def labels(self) -> Labels: ...  # noqa: D102  the node's labels


class NodeTaint(Protocol):
    """What tolerations read of a taint."""

    @property
    def key(self) -> str: ...  # noqa: D102  the taint's key
    @property
    def value(self) -> str: ...  # noqa: D102  the taint's value
    @property
    def effect(self) -> str: ...  # noqa: D102  the taint's effect


def selects(spec: Mapping[str, Any], node: NodeLabels) -> bool:
    """Say whether ``nodeName``, ``nodeSelector`` and required node affinity of a pod's spec allow the node."""
    node_name = spec.get("nodeName")
    if node_name and text(node_name) != node.name:
        return False
    return has_labels(node.labels, mapping(spec.get("nodeSelector"))) and _affinity_selects(spec, node)


def tolerates_all(tolerations: Iterable[Mapping[str, Any]], taints: tuple[NodeTaint, ...]) -> bool:
    """Say whether each taint is tolerated by one of the tolerations."""
    known = tuple(tolerations) if taints else ()
    return all(any(_tolerates(toleration, taint) for toleration in known) for taint in taints)


def required_terms(spec: Mapping[str, Any]) -> list[Mapping[str, Any]] | None:
    """Return the terms of the required node affinity, of which one has to match; None where nothing is required."""
    required = mapping(mapping(spec.get("affinity")).get("nodeAffinity")).get(REQUIRED)
    return None if required is None else list(items(mapping(required).get("nodeSelectorTerms")))


def target_node(spec: Mapping[str, Any]) -> str:
    """Return the node for which the DaemonSet controller created a pod: exactly one term with exactly one name."""
    affinity = mapping(mapping(spec.get("affinity")).get("nodeAffinity"))
    terms = elements(mapping(affinity.get(REQUIRED)).get("nodeSelectorTerms"))
    fields = list(items(mapping(terms[0]).get("matchFields"))) if len(terms) == 1 else []
    names = elements(fields[0].get("values")) if len(fields) == 1 else []
    is_name = fields and fields[0].get("key") == NAME_FIELD and fields[0].get("operator") == "In"
    return text(names[0]) if is_name and len(names) == 1 else ""


def term_selects(term: Mapping[str, Any], node: NodeLabels) -> bool:
    """Say whether one term of a required node affinity selects a node."""
    expressions, fields = list(items(term.get("matchExpressions"))), list(items(term.get("matchFields")))
    # An empty term selects nothing.
    return bool(expressions or fields) and (
        all(matches_expression(expression, node.labels) for expression in expressions)
        and all(matches_expression(expression, {NAME_FIELD: node.name}) for expression in fields)
    )


def only_on(node_name: str, affinity: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an affinity that requires one node, as the DaemonSet controller writes it."""
    term = {"matchFields": [{"key": NAME_FIELD, "operator": "In", "values": [node_name]}]}
    required = {REQUIRED: {"nodeSelectorTerms": [term]}}
    return {**affinity, "nodeAffinity": {**mapping(affinity.get("nodeAffinity")), **required}}


def _tolerates(toleration: Mapping[str, Any], taint: NodeTaint) -> bool:
    if toleration.get("effect") not in (None, "", taint.effect):
        return False
    if toleration.get("operator") == "Exists":
        return toleration.get("key") in (None, "", taint.key)
    return toleration.get("key") == taint.key and text(toleration.get("value")) == taint.value


def _affinity_selects(spec: Mapping[str, Any], node: NodeLabels) -> bool:
    terms = required_terms(spec)
    return terms is None or any(term_selects(term, node) for term in terms)
