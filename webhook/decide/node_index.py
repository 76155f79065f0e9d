"""Nodes found by a pod's constraints without looking at each: five thousand of them cost a decision microseconds."""

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

from webhook.cluster.view import Node
from webhook.decide.selectors import matches_value, required_terms
from webhook.raw import elements, items, mapping, text

Positions = frozenset[int]

NONE: Positions = frozenset()
NAME_FIELD = "metadata.name"
# Whoever asks for ever new keys must not fill the memory.
KEYS_KEPT = 256


class NodeIndex:
    """The positions of nodes by their labels' values. A key is looked up in all nodes when a pod first asks for it."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._nodes = nodes
        self._every: Positions = frozenset(range(len(nodes)))
        self._names: Mapping[str | None, Positions] = {
            node.name: frozenset({position}) for position, node in enumerate(nodes)
        }
        self._values: dict[str, Mapping[str | None, Positions]] = {}

    def selected(self, spec: Mapping[str, Any]) -> Positions:
        """Return the nodes that ``webhook.decide.selectors.selects`` lets in, by their positions."""
        name = spec.get("nodeName")
        found = self._names.get(text(name), NONE) if name else self._every
        for key, value in mapping(spec.get("nodeSelector")).items():
            found &= self._with(key).get(text(value), NONE)
        terms = required_terms(spec)
        return found if terms is None else found & NONE.union(*map(self._by_term, terms))

    def _by_term(self, term: Mapping[str, Any]) -> Positions:
        found = [
            *(_matching(item, self._with(text(item.get("key")))) for item in items(term.get("matchExpressions"))),
            *(_matching(item, self._by_field(item.get("key"))) for item in items(term.get("matchFields"))),
        ]
        # An empty term selects nothing.
        return reduce(frozenset.__and__, found) if found else NONE

    def _by_field(self, key: object) -> Mapping[str | None, Positions]:
        return self._names if key == NAME_FIELD else {None: self._every}

    def _with(self, key: str) -> Mapping[str | None, Positions]:
        """Return the nodes by their value of a label, under None those without it."""
        known = self._values.get(key)
        if known is None:
            if len(self._values) >= KEYS_KEPT:
                self._values.clear()
            known = self._values[key] = self._look_up(key)
        return known

    def _look_up(self, key: str) -> Mapping[str | None, Positions]:
        found: dict[str | None, list[int]] = {}
        for position, node in enumerate(self._nodes):
            found.setdefault(node.labels.get(key), []).append(position)
        return {value: frozenset(positions) for value, positions in found.items()}


def _matching(expression: Mapping[str, Any], by_value: Mapping[str | None, Positions]) -> Positions:
    if expression.get("operator") == "In":
        return NONE.union(*(by_value.get(text(value), NONE) for value in elements(expression.get("values"))))
    return NONE.union(*(found for value, found in by_value.items() if matches_value(expression, value)))
