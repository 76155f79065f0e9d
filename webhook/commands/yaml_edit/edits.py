"""The edits of a text that a noted patch needs, in the style of each collection."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from webhook.commands.yaml_edit.changes import CannotEditError
from webhook.commands.yaml_edit.nodes import YamlNode

# The text that may follow a value on its line.
COMMENT = re.compile(r"[ \t]*(#[^\r\n]*)?(?=\r?\n|$)")


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace ``text[start:end]`` by another text."""

    start: int
    end: int
    text: str


def edited(text: str, edits: Sequence[Edit]) -> str:
    """Return the text with edits, in order; those at one place in the order that they have. Raises CannotEditError."""
    parts: list[str] = []
    position = 0
    for edit in sorted(edits, key=lambda edit: edit.start):
        if edit.start < position:
            raise CannotEditError
        parts += [text[position : edit.start], edit.text]
        position = edit.end
    return "".join([*parts, text[position:]])


def paths(root: YamlNode) -> Iterator[Sequence[YamlNode]]:
    """Yield the path to each collection that a patch changes, those below it first."""
    for path in _below([root]):
        node = path[-1]
        if node.removed or any(entry.new for entry in node.entries):
            yield path


def _below(path: Sequence[YamlNode]) -> Iterator[Sequence[YamlNode]]:
    for entry in path[-1].entries:
        if entry.new is None and entry.node and entry.node.is_touched:
            yield from _below([*path, entry.node])
    yield path


def line_start(text: str, position: int) -> int:
    """Return where the line begins."""
    return text.rfind("\n", 0, position) + 1


def line_end(text: str, position: int) -> int:
    """Return where the line ends, its line end included; only a comment may follow. Raises CannotEditError."""
    found = COMMENT.match(text, position)
    if not found:
        raise CannotEditError
    end = text.find("\n", found.end())
    return len(text) if end < 0 else end + 1


def indent_before(text: str, position: int) -> str | None:
    """Return the blanks between the begin of a line and a position, None if there is anything else."""
    begin = position
    while begin and text[begin - 1] in " \t":
        begin -= 1
    return text[begin:position] if not begin or text[begin - 1] == "\n" else None
