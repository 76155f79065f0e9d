"""The nodes of a document's text; a patch is noted in them: see ``changes``."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

# The words of the JSON pointers of a patch, as a tree: other parts of the document need no nodes.
Wanted = dict[str, Any]
APPEND = "-"


class YamlKind(Enum):
    """The kind of a node."""

    SCALAR = "scalar"
    MAPPING = "mapping"
    SEQUENCE = "sequence"
    ALIAS = "alias"


@dataclass(slots=True, eq=False)
class YamlNode:
    """One node: ``text[start:end]`` is it, tag and anchor included.

    ``style`` is that of a scalar: ``'``, ``"``, ``|``, ``>``, or empty for a plain one. ``column`` is that of its first
    character, of a block sequence that of its dashes; JSON has none. ``last`` is the last scalar of a collection in
    block style.
    """

    kind: YamlKind
    start: int
    end: int
    column: int = 0
    is_flow: bool = False
    style: str = ""
    last: "YamlNode | None" = None
    entries: list["YamlEntry"] = field(default_factory=list)
    removed: list["YamlEntry"] = field(default_factory=list)
    is_touched: bool = False

    @property
    def is_empty_scalar(self) -> bool:
        """Say whether it is a null that is not written at all, such as the value of ``key:``."""
        return self.kind is YamlKind.SCALAR and self.start == self.end


@dataclass(slots=True, eq=False)
class New:
    """A plain value that a patch writes."""

    value: Any


@dataclass(slots=True, eq=False)
class YamlEntry:
    """One member of a collection: of a mapping with its key, as it is in JSON, and the node of the key.

    With a patch noted, ``new`` is the value that it gets; ``node`` is None for a member that the patch adds.
    """

    node: YamlNode | None
    key: str = ""
    key_node: YamlNode | None = None
    is_merge: bool = False
    new: New | None = None

    @property
    def is_added(self) -> bool:
        """Say whether the patch adds it."""
        return self.node is None

    @property
    def start(self) -> int:
        """Return where it begins; of a sequence in block style, after the dash."""
        first = self.key_node or self.node
        return first.start if first else 0

    @property
    def end(self) -> int:
        """Return where its value ends in the text."""
        return self.node.end if self.node else 0


def wanted_by(pointers: Iterable[Sequence[str]]) -> Wanted:
    """Return the tree of the words of pointers."""
    wanted: Wanted = {}
    for words in pointers:
        place = wanted
        for word in words:
            place = place.setdefault(word, {})
    return wanted


def wanted_below(wanted: Wanted, word: str) -> Wanted | None:
    """Return the wanted parts of a member, None for nothing; if a list gets members, also the style of its members."""
    return wanted.get(word, {} if APPEND in wanted else None)
