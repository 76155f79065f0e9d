"""JSON Patch operations, noted in the tree of a document: which members get which values, are added, or removed."""

from collections.abc import Iterable, Sequence
from typing import Any

from jsonpointer import unescape

from webhook.commands.yaml_edit.nodes import New, YamlEntry, YamlKind, YamlNode
from webhook.decide.patch import Operation


class CannotEditError(Exception):
    """An edit that the text does not allow; the document is rendered instead."""


class PatchedValue:
    """The value of a document with operations applied one by one; what no operation touches is shared, not copied."""

    def __init__(self, value: Any) -> None:  # noqa: ANN401  any JSON
        self._owned: set[int] = set()
        self.root = self._own(value)

    def at(self, words: Sequence[str]) -> Any:  # noqa: ANN401  any JSON
        """Return the value at the words of a pointer."""
        value = self.root
        for word in words:
            value = value[int(word)] if isinstance(value, list) else value[word]
        return value

    def apply(self, words: Sequence[str], operation: Operation) -> None:
        """Apply one operation (add, replace, remove). Raises LookupError, TypeError, ValueError if it does not fit."""
        parent = self.root
        for word in words[:-1]:
            key: Any = int(word) if isinstance(parent, list) else word
            parent[key] = parent = self._own(parent[key])
        apply_to(parent, words[-1], operation)

    def _own(self, value: Any) -> Any:  # noqa: ANN401  any JSON
        if id(value) in self._owned or not isinstance(value, dict | list):
            return value
        copy = value.copy()
        self._owned.add(id(copy))
        return copy


def apply_to(parent: Any, word: str, operation: Operation) -> None:  # noqa: ANN401  any JSON
    """Apply one operation to the collection that has, or gets, the member. Raises as ``PatchedValue.apply``."""
    if operation["op"] == "remove":
        del parent[int(word) if isinstance(parent, list) else word]
    elif isinstance(parent, list) and operation["op"] == "add":
        parent.insert(len(parent) if word == "-" else int(word), operation["value"])
    else:
        parent[int(word) if isinstance(parent, list) else word] = operation["value"]


def words_of(operation: Operation) -> list[str]:
    """Return the words of an operation's JSON pointer."""
    return [unescape(word) for word in operation["path"].split("/")[1:]]


def note_changes(root: YamlNode, value: Any, operations: Iterable[Operation], *, is_shared: bool) -> Any:  # noqa: ANN401  any JSON
    """Note operations in the tree; return the value that the document then has. Raises CannotEditError.

    With ``is_shared``, an operation within an alias or a merged member is not noted: its anchor may get the same.
    """
    patched = PatchedValue(value)
    for operation in operations:
        words = words_of(operation)
        before = [patched.at(words[:end]) for end in range(1, len(words))]
        _note(root, words, operation, before, is_shared=is_shared)
        patched.apply(words, operation)
    return patched.root


def _note(
    root: YamlNode, words: Sequence[str], operation: Operation, before: Sequence[Any], *, is_shared: bool
) -> None:
    """Note one operation; ``before`` are the values on its way."""
    node = root
    for index, word in enumerate(words[:-1]):
        node.is_touched = True
        entry = _find(node, word)
        if is_shared and (entry is None or (entry.node and entry.node.kind is YamlKind.ALIAS)):
            return
        if entry is None:
            # It comes from a merge key: the member becomes the mapping's own.
            entry = YamlEntry(None, word, new=New(before[index]))
            node.entries.append(entry)
        elif entry.new is None and entry.node and entry.node.kind is YamlKind.ALIAS:
            entry.new = New(before[index])
        if entry.new is not None:
            _change_new(entry.new, words[index + 1 :], operation)
            return
        if entry.node is None or entry.node.kind is YamlKind.SCALAR:
            raise CannotEditError
        node = entry.node
    node.is_touched = True
    _change_node(node, words[-1], operation)


def _change_new(new: New, words: Sequence[str], operation: Operation) -> None:
    patched = PatchedValue(new.value)
    patched.apply(words, operation)
    new.value = patched.root


def _change_node(node: YamlNode, word: str, operation: Operation) -> None:
    if operation["op"] == "remove":
        _remove(node, word)
    elif node.kind is YamlKind.SEQUENCE and operation["op"] == "add":
        if word not in ("-", str(len(node.entries))):
            raise CannotEditError
        node.entries.append(YamlEntry(None, new=New(operation["value"])))
    elif entry := _find(node, word):
        entry.new = New(operation["value"])
    else:
        node.entries.append(YamlEntry(None, word, new=New(operation["value"])))


def _remove(node: YamlNode, word: str) -> None:
    if node.kind is not YamlKind.MAPPING:
        raise CannotEditError
    kept = [entry for entry in node.entries if entry.key != word or entry.is_merge]
    node.removed += [entry for entry in node.entries if entry not in kept and not entry.is_added]
    node.entries = kept


def _find(node: YamlNode, word: str) -> YamlEntry | None:
    """Return the member; of a key that is written twice the last one, as it counts."""
    if node.kind is YamlKind.SEQUENCE:
        return node.entries[int(word)]
    return next((entry for entry in reversed(node.entries) if entry.key == word and not entry.is_merge), None)
