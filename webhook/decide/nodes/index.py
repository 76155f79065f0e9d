"""An index of nodes by their labels: selecting among five thousand nodes takes microseconds."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from functools import partial, reduce
from operator import and_, or_
from typing import Any, TypeVar

from webhook.kube.label_selector import matches_value
from webhook.kube.node_affinity import NAME_FIELD, required_terms
from webhook.kube.values import EMPTY, elements, items, mapping, text
from webhook.view.view import Node

Positions = int
"""Some of the nodes: the bit at a node's position is set. Five thousand nodes are 625 bytes."""

ByValue = Mapping[str | None, Positions]
Value = TypeVar("Value", bound=Hashable)

NONE: Positions = 0
# Users choose the keys, so their number is bounded.
KEYS_KEPT = 256


class NodeIndex:
    """The positions of nodes by their labels' values. A key is looked up in all nodes when a pod first asks for it."""

    def __init__(self, nodes: Sequence[Node], looked_up: Mapping[str, ByValue] = EMPTY) -> None:
        self._nodes = nodes
        self._every: Positions = (1 << len(nodes)) - 1
        self._position = {node.name: position for position, node in enumerate(nodes)}
        self._values = dict(looked_up)

    def first(self, positions: Positions) -> Node:
        """Return the first of some nodes."""
        return self._nodes[(positions & -positions).bit_length() - 1]

    def position(self, name: str) -> Positions:
        """Return where the node of this name is; nowhere if there is none."""
        position = self._position.get(name)
        return NONE if position is None else 1 << position

    def with_label(self, key: str) -> ByValue:
        """Return the nodes by their value of a label, under None those without it."""
        known = self._values.get(key)
        if known is None:
            if len(self._values) >= KEYS_KEPT:
                self._values.clear()
            known = self._values[key] = self._look_up(key)
        return known

    def selected(self, spec: Mapping[str, Any]) -> Positions:
        """Return the nodes that ``webhook.kube.node_affinity.selects`` allows, by their positions."""
        name = spec.get("nodeName")
        found = self.position(text(name)) if name else self._every
        for key, value in mapping(spec.get("nodeSelector")).items():
            found &= self.with_label(key).get(text(value), NONE)
        terms = required_terms(spec)
        return found if terms is None else found & _any_of(map(self._by_term, terms))

    def following(self, changed: Mapping[str, Node]) -> "NodeIndex":
        """Return the index of the same nodes, some of them with other facts; the looked-up values are updated."""
        nodes = list(self._nodes)
        for name, node in changed.items():
            nodes[self._position[name]] = node
        # A copy: requests may look keys up while this runs in a thread.
        values = self._values.copy()
        return NodeIndex(nodes, {key: self._moved(key, known, changed) for key, known in values.items()})

    def _moved(self, key: str, known: ByValue, changed: Mapping[str, Node]) -> ByValue:
        moves = [
            (self.position(name), before, now)
            for name, node in changed.items()
            if (before := self._nodes[self._position[name]].labels.get(key)) != (now := node.labels.get(key))
        ]
        return moved(known, moves) if moves else known

    def _by_term(self, term: Mapping[str, Any]) -> Positions:
        found = [
            *(
                self._matching(item, self.with_label(text(item.get("key"))))
                for item in items(term.get("matchExpressions"))
            ),
            *(self._matching(item, self._by_field(item)) for item in items(term.get("matchFields"))),
        ]
        # An empty term selects nothing.
        return reduce(and_, found) if found else NONE

    def _by_field(self, expression: Mapping[str, Any]) -> ByValue:
        if expression.get("key") != NAME_FIELD:
            return {None: self._every}
        listed = expression.get("operator") in ("In", "NotIn")
        names = map(text, elements(expression.get("values"))) if listed else self._position
        return {name: self.position(name) for name in names}

    def _matching(self, expression: Mapping[str, Any], among: ByValue) -> Positions:
        operator = expression.get("operator")
        if operator in ("In", "NotIn"):
            found = _any_of(among.get(text(value), NONE) for value in elements(expression.get("values")))
            return found if operator == "In" else self._every & ~found
        return _any_of(found for value, found in among.items() if matches_value(expression, value))

    def _look_up(self, key: str) -> ByValue:
        return by_value([node.labels.get(key) for node in self._nodes])


def by_value(values: Sequence[Value]) -> dict[Value, Positions]:
    """Return the positions of each value, in the order in which values first appear."""
    found: dict[Value, bytearray] = defaultdict(partial(bytearray, len(values) // 8 + 1))
    for position, value in enumerate(values):
        found[value][position >> 3] |= 1 << (position & 7)
    return {value: int.from_bytes(positions, "little") for value, positions in found.items()}


def moved(known: Mapping[Value, Positions], moves: Iterable[tuple[Positions, Value, Value]]) -> dict[Value, Positions]:
    """Return positions by value with some of them moved from one value to another; a value without any is dropped."""
    found = dict(known)
    for positions, before, now in moves:
        found[before] &= ~positions
        found[now] = found.get(now, NONE) | positions
    return {value: positions for value, positions in found.items() if positions}


def _any_of(found: Iterable[Positions]) -> Positions:
    return reduce(or_, found, NONE)
