"""The nodes of a JSON document with their positions; it may be indented with tabs, which YAML does not allow."""

import re
from json import JSONDecodeError, JSONDecoder
from json.decoder import scanstring  # type: ignore[attr-defined]

from webhook.commands.yaml_edit.nodes import Wanted, YamlEntry, YamlKind, YamlNode, wanted_below

BLANK = re.compile(r"[ \t\r\n]*")
_DECODER = JSONDecoder()


def json_tree(text: str, begin: int, wanted: Wanted) -> YamlNode | None:
    """Return the root node of the JSON value that begins at a position; None if it is not one JSON value."""
    try:
        node = _Reader(text).node(begin, wanted)
    except (JSONDecodeError, IndexError):
        return None
    return None if text[_skip_blank(text, node.end) :] else node


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text

    def node(self, start: int, wanted: Wanted | None) -> YamlNode:
        first = self._text[start]
        if first in "{[" and wanted is not None:
            return self._collection(start, wanted, is_mapping=first == "{")
        # What no operation changes is skipped by the parser in C.
        _, end = _DECODER.raw_decode(self._text, start)
        kind = {"{": YamlKind.MAPPING, "[": YamlKind.SEQUENCE}.get(first, YamlKind.SCALAR)
        return YamlNode(kind, start, end, is_flow=kind is not YamlKind.SCALAR, style='"' if first == '"' else "")

    def _collection(self, start: int, wanted: Wanted, *, is_mapping: bool) -> YamlNode:
        kind = YamlKind.MAPPING if is_mapping else YamlKind.SEQUENCE
        node = YamlNode(kind, start, start, is_flow=True)
        position = _skip_blank(self._text, start + 1)
        while self._text[position] not in "}]":
            entry = self._entry(position, wanted, len(node.entries), is_mapping=is_mapping)
            node.entries.append(entry)
            position = _skip_blank(self._text, entry.end)
            if self._text[position] == ",":
                position = _skip_blank(self._text, position + 1)
        node.end = position + 1
        return node

    def _entry(self, position: int, wanted: Wanted, index: int, *, is_mapping: bool) -> YamlEntry:
        if not is_mapping:
            return YamlEntry(self.node(position, wanted_below(wanted, str(index))))
        key, end = scanstring(self._text, position + 1, True)
        key_node = YamlNode(YamlKind.SCALAR, position, end, style='"')
        value = _skip_blank(self._text, _skip_blank(self._text, end) + 1)
        return YamlEntry(self.node(value, wanted_below(wanted, key)), key, key_node)


def _skip_blank(text: str, position: int) -> int:
    found = BLANK.match(text, position)
    return found.end() if found else position
