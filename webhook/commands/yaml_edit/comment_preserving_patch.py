"""A patch applied to the text that an author wrote: only the lines of the patch change.

The result is parsed again and compared. If it is not the patched value, or if the text does not allow
the edit, the document is rendered as plain YAML.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from webhook.commands.shared.yaml_text import yaml_text
from webhook.commands.yaml_edit.block_edits import block_edits
from webhook.commands.yaml_edit.changes import CannotEditError, PatchedValue, note_changes, words_of
from webhook.commands.yaml_edit.edits import Edit, edited, paths
from webhook.commands.yaml_edit.flow_edits import flow_edits
from webhook.commands.yaml_edit.layout import layout_at
from webhook.commands.yaml_edit.nodes import YamlNode, wanted_by
from webhook.commands.yaml_edit.tree import document_tree
from webhook.decide.patch import Operation
from webhook.kube.document_stream import ODD_MARKER, has_marker
from webhook.kube.manifests import Manifest, ManifestError, load
from webhook.kube.yaml_values import YamlError


class NotPatchedError(Exception):
    """Neither an edit nor rendering gave a text with the patched value."""


@dataclass(frozen=True, slots=True)
class Patched:
    """The text of a document and its value; ``is_rendered`` if comments and layout could not be kept."""

    text: str
    value: Any
    is_rendered: bool = False


def patch(manifest: Manifest, operations: Sequence[Operation]) -> Patched:
    """Apply operations, which start at the document's root, to its text. Raises NotPatchedError."""
    # Where the anchor gets the same patch, its aliases need no text of their own.
    for is_shared in (True, False) if "*" in manifest.text else (False,):
        if found := _in_place(manifest, operations, is_shared=is_shared):
            return found
    patched = PatchedValue(manifest.value)
    for operation in operations:
        patched.apply(words_of(operation), operation)
    return rendered(Patched(manifest.text, patched.root))


def _in_place(manifest: Manifest, operations: Sequence[Operation], *, is_shared: bool) -> Patched | None:
    """Return the edited text; None if it is not what the operations mean, or if the text allows no edit."""
    try:
        tree = document_tree(manifest.text, wanted_by(map(words_of, operations)))
        expected = note_changes(tree, manifest.value, operations, is_shared=is_shared)
        text = edited(manifest.text, list(_edits(manifest.text, tree)))
        if load(text) == expected:
            return Patched(text, expected)
    except (CannotEditError, ManifestError, YamlError, RecursionError):
        pass
    return None


def rendered(document: Patched) -> Patched:
    """Render a document as plain YAML, which ends with a line end. Raises NotPatchedError."""
    try:
        tree = document_tree(document.text, {})
    except (YamlError, RecursionError):
        tree = None
    return _rendered(document.text, document.value, tree)


def _edits(text: str, root: YamlNode) -> Iterator[Edit]:
    newline = "\r\n" if "\r\n" in text else "\n"
    for path in paths(root):
        node = path[-1]
        layout = layout_at(path, newline)
        yield from flow_edits(text, node, layout) if node.is_flow else block_edits(text, node, layout)


def _rendered(text: str, value: Any, tree: YamlNode | None) -> Patched:  # noqa: ANN401  any JSON
    """Render a value as plain YAML, between the lines that are before and after it in a text."""
    head, tail = _around(text, tree)
    written = head + yaml_text(value) + tail
    try:
        if load(written) == value:
            return Patched(written, value, is_rendered=True)
    except ManifestError as error:
        raise NotPatchedError from error
    raise NotPatchedError


def _around(text: str, tree: YamlNode | None) -> tuple[str, str]:
    if tree is None:
        return ("---\n" if has_marker(text) else ""), ""
    head = text[: tree.start].rstrip(" \t")
    ended = next((found for found in ODD_MARKER.finditer(text, tree.end) if found[1] == "..."), None)
    return head + ("\n" if head and head[-1] not in "\r\n\ufeff" else ""), text[ended.start() :] if ended else ""
