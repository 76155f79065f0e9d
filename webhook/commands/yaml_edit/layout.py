"""How an author lays a document out: indentation, dashes, quotes and line ends near the place of an edit."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from webhook.commands.yaml_edit.nodes import YamlKind, YamlNode


@dataclass(frozen=True, slots=True)
class Layout:
    """The author's layout: columns by which mappings and lists are indented, and the width of a dash with its blanks.

    ``is_json`` holds if keys are in double quotes; ``separators`` are those of JSON on one line. ``quotes`` are the
    quotes of texts, by key.
    """

    mapping: int = 2
    sequence: int = 0
    dash: int = 2
    newline: str = "\n"
    is_json: bool = False
    separators: tuple[str, str] = (", ", ": ")
    quotes: Mapping[str, str] | None = None

    def quote(self, key: str) -> str:
        """Return the quote for the text of a key, empty for none."""
        return '"' if self.is_json else (self.quotes or {}).get(key, "")


def layout_at(path: Sequence[YamlNode], newline: str) -> Layout:
    """Return the layout at the last node of a path from the root: that of the nearest nodes that show it."""
    near = list(reversed(path))
    return Layout(
        mapping=next((columns for node in near for columns in _child_columns(node, YamlKind.MAPPING)), 2),
        sequence=next((columns for node in near for columns in _child_columns(node, YamlKind.SEQUENCE)), 0),
        dash=next((width for node in near for width in _dashes(node)), 2),
        newline=newline,
        is_json=next((style for node in near for style in _json_keys(node)), False),
        quotes=_quotes(path[-1]),
    )


def _child_columns(node: YamlNode, kind: YamlKind) -> Iterator[int]:
    """Yield by how many columns the members of a block mapping that are of a kind are indented."""
    if node.kind is YamlKind.MAPPING and not node.is_flow:
        for entry in node.entries:
            child = entry.node
            if child and child.kind is kind and not child.is_flow:
                yield child.column - node.column


def _dashes(node: YamlNode) -> Iterator[int]:
    """Yield the width of the dashes of a list in block style, or of the lists that are members of a mapping."""
    if node.is_flow:
        return
    if node.kind is YamlKind.MAPPING:
        lists = (entry.node for entry in node.entries if entry.node and entry.node.kind is YamlKind.SEQUENCE)
        for child in lists:
            yield from _dashes(child)
    if node.kind is YamlKind.SEQUENCE:
        for entry in node.entries:
            if entry.node and not entry.node.is_empty_scalar and entry.node.column > node.column:
                yield entry.node.column - node.column


def _json_keys(node: YamlNode) -> Iterator[bool]:
    if node.kind is YamlKind.MAPPING and node.is_flow:
        keys = [entry.key_node for entry in node.entries if entry.key_node]
        if keys:
            yield all(key.style == '"' for key in keys)


def _quotes(node: YamlNode) -> dict[str, str]:
    """Return the quotes of texts by key, as the last member of a list has them."""
    if node.kind is YamlKind.SEQUENCE:
        items = [entry.node for entry in node.entries if entry.node and entry.node.kind is YamlKind.MAPPING]
        return {entry.key: entry.node.style for entry in items[-1].entries if entry.node} if items else {}
    return {}
