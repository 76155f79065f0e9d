"""Labels of thousands of objects, in little memory."""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from sys import intern
from types import MappingProxyType


class CompactLabels(Mapping[str, str]):
    """Labels that share their keys with all objects that have the same keys, and each text with all others.

    Nodes of one model have the same keys, seventy or more with feature discovery: that halves their memory.
    """

    __slots__ = ("_positions", "_values")

    def __init__(self, labels: Mapping[str, str]) -> None:
        self._positions = _positions(tuple(labels))
        self._values = tuple(map(intern, labels.values()))

    def get(self, key: str, default: str | None = None) -> str | None:  # type: ignore[override]
        """Return the value of a label. Mapping's own method raises and catches an exception if there is none."""
        position = self._positions.get(key)
        return default if position is None else self._values[position]

    def __getitem__(self, key: str) -> str:
        return self._values[self._positions[key]]

    def __iter__(self) -> Iterator[str]:
        return iter(self._positions)

    def __len__(self) -> int:
        return len(self._values)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, CompactLabels) and other._positions is self._positions:
            return other._values == self._values
        return super().__eq__(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(dict(self))


def values_of(key: str, every: Sequence[Mapping[str, str]]) -> list[str | None]:
    """Return the value of one label of each object, None where it has none."""
    return [
        (None if (position := labels._positions.get(key)) is None else labels._values[position])  # noqa: SLF001 - ours
        if isinstance(labels, CompactLabels)
        else labels.get(key)
        for labels in every
    ]


@lru_cache(maxsize=1024)
def _positions(keys: tuple[str, ...]) -> Mapping[str, int]:
    return MappingProxyType({intern(key): position for position, key in enumerate(keys)})
