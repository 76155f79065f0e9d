"""An index of nodes by their labels: selecting among five thousand nodes takes microseconds."""

from bisect import bisect_left, bisect_right
from collections.abc import Hashable, Iterable, Mapping, Sequence
from functools import cached_property, reduce
from itertools import accumulate
from operator import and_, or_
from typing import Any, TypeVar

from webhook.kube.label_selector import INTEGER
from webhook.kube.node_affinity import NAME_FIELD, required_terms
from webhook.kube.values import EMPTY, elements, items, mapping, text
from webhook.view.compact_labels import values_of
from webhook.view.view import Node

Positions = int
"""Some of the nodes: the bit at a node's position is set. Five thousand nodes are 625 bytes."""

ByValue = Mapping[str | None, Positions]
Value = TypeVar("Value", bound=Hashable)

NONE: Positions = 0
# As many different values as a byte tells apart.
CODES = 256


class Column:
    """The nodes by their values of one label; under None those without it."""

    def __init__(self, by_value: ByValue) -> None:
        self.by_value = by_value

    def matching(self, expression: Mapping[str, Any], every: Positions) -> Positions:
        """Return the nodes whose value matches a selector expression, as ``selectors.matches_value`` does.

        However many values and nodes there are, each is looked at once.
        """
        absent = self.by_value.get(None, NONE)
        match expression.get("operator"):
            case "In":
                return self._any_of(expression)
            case "NotIn":
                return every & ~self._any_of(expression)
            case "Exists":
                return every & ~absent
            case "DoesNotExist":
                return absent
            case "Gt" | "Lt" as operator:
                values = elements(expression.get("values"))
                return self._compared(operator, text(values[0])) if len(values) == 1 else NONE
            case _:
                return NONE

    def _any_of(self, expression: Mapping[str, Any]) -> Positions:
        wanted = {text(value) for value in elements(expression.get("values"))}
        return _any_of(self.by_value.get(value, NONE) for value in wanted)

    def _compared(self, operator: str, limit: str) -> Positions:
        if not INTEGER.fullmatch(limit):
            return NONE
        if operator == "Gt":
            return self._from[bisect_right(self._numbers, int(limit))]
        return self._from[0] & ~self._from[bisect_left(self._numbers, int(limit))]

    @cached_property
    def _numbers(self) -> list[int]:
        return sorted({int(value) for value in self.by_value if value is not None and INTEGER.fullmatch(value)})

    @cached_property
    def _from(self) -> list[Positions]:
        """The nodes with the number at an index or a higher one; none at the end."""
        found: dict[int, Positions] = {}
        for value, positions in self.by_value.items():
            if value is not None and INTEGER.fullmatch(value):
                found[int(value)] = found.get(int(value), NONE) | positions
        return [*accumulate((found[number] for number in reversed(self._numbers)), or_, initial=NONE)][::-1]


class NodeIndex:
    """The positions of nodes by their labels' values. A key is looked up in all nodes when a pod first asks for it."""

    def __init__(
        self, nodes: Sequence[Node], looked_up: Mapping[str, Column] = EMPTY, keys: Iterable[str] | None = None
    ) -> None:
        self._nodes = nodes
        self._every: Positions = (1 << len(nodes)) - 1
        self._position = {node.name: position for position, node in enumerate(nodes)}
        self._columns = dict(looked_up)
        # A pod may name any keys. Those of no node are not looked up, and so never remembered.
        self._keys = set(_keys_of(nodes) if keys is None else keys)

    def first(self, positions: Positions) -> Node:
        """Return the first of some nodes."""
        return self._nodes[(positions & -positions).bit_length() - 1]

    def position(self, name: str) -> Positions:
        """Return where the node of this name is; nowhere if there is none."""
        position = self._position.get(name)
        return NONE if position is None else 1 << position

    def with_label(self, key: str) -> Column:
        """Return the nodes by their value of a label."""
        known = self._columns.get(key)
        if known is None:
            if key not in self._keys:
                return self._unlabelled
            known = self._columns[key] = Column(by_value(values_of(key, [node.labels for node in self._nodes])))
        return known

    def selected(self, spec: Mapping[str, Any]) -> Positions:
        """Return the nodes that ``webhook.kube.node_affinity.selects`` allows, by their positions."""
        name = spec.get("nodeName")
        found = self.position(text(name)) if name else self._every
        for key, value in mapping(spec.get("nodeSelector")).items():
            found &= self.with_label(key).by_value.get(text(value), NONE)
        terms = required_terms(spec)
        return found if terms is None else found & _any_of(map(self._by_term, terms))

    def following(self, changed: Mapping[str, Node]) -> "NodeIndex":
        """Return the index of the same nodes, some of them with other facts; the looked-up values are updated."""
        nodes = list(self._nodes)
        for name, node in changed.items():
            nodes[self._position[name]] = node
        # A copy: requests may look keys up while this runs in a thread.
        columns = self._columns.copy()
        looked_up = {key: self._moved(key, known, changed) for key, known in columns.items()}
        return NodeIndex(nodes, looked_up, self._keys.union(_keys_of(changed.values())))

    def _moved(self, key: str, known: Column, changed: Mapping[str, Node]) -> Column:
        moves = [
            (self.position(name), before, now)
            for name, node in changed.items()
            if (before := self._nodes[self._position[name]].labels.get(key)) != (now := node.labels.get(key))
        ]
        return Column(moved(known.by_value, moves)) if moves else known

    def _by_term(self, term: Mapping[str, Any]) -> Positions:
        columns = (
            *((item, self.with_label(text(item.get("key")))) for item in items(term.get("matchExpressions"))),
            *((item, self._field(item)) for item in items(term.get("matchFields"))),
        )
        # An empty term selects nothing.
        return reduce(and_, (column.matching(item, self._every) for item, column in columns)) if columns else NONE

    def _field(self, expression: Mapping[str, Any]) -> Column:
        return self._names if expression.get("key") == NAME_FIELD else self._unlabelled

    @cached_property
    def _unlabelled(self) -> Column:
        return Column({None: self._every})

    @cached_property
    def _names(self) -> Column:
        return Column({name: 1 << position for name, position in self._position.items()})


def _keys_of(nodes: Iterable[Node]) -> set[str]:
    return set[str]().union(*(node.labels for node in nodes))


def by_value(values: Sequence[Value]) -> dict[Value, Positions]:
    """Return the positions of each value, in the order in which values first appear."""
    codes = {value: code for code, value in enumerate(dict.fromkeys(values))}
    if len(codes) <= CODES:
        return _by_code(values, codes)
    found: dict[Value, Positions] = {}
    for position, value in enumerate(values):
        found[value] = found.get(value, NONE) | 1 << position
    return found


def _by_code(values: Sequence[Value], codes: Mapping[Value, int]) -> dict[Value, Positions]:
    """Return the same for few different values: a byte for each, the last one first, of which one at a time is a 1."""
    coded = bytes(map(codes.__getitem__, reversed(values)))
    zeros = bytes(48 for _ in range(256))
    return {value: int(coded.translate(_with(zeros, code)) or b"0", 2) for value, code in codes.items()}


def _with(zeros: bytes, code: int) -> bytes:
    return zeros[:code] + b"1" + zeros[code + 1 :]


def moved(known: Mapping[Value, Positions], moves: Iterable[tuple[Positions, Value, Value]]) -> dict[Value, Positions]:
    """Return positions by value with some of them moved from one value to another; a value without any is dropped."""
    found = dict(known)
    for positions, before, now in moves:
        found[before] &= ~positions
        found[now] = found.get(now, NONE) | positions
    return {value: positions for value, positions in found.items() if positions}


def _any_of(found: Iterable[Positions]) -> Positions:
    return reduce(or_, found, NONE)
