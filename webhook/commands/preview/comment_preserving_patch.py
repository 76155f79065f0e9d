"""A patch applied to the text that an author wrote: comments, order and style of the YAML stay.

What ruamel.yaml makes is read again and compared. Where it says anything else than was meant, the document is written
anew as plain YAML.
"""

import io
import json
from collections.abc import Iterable, Sequence
from typing import Any

import jsonpatch
import yaml
from jsonpointer import JsonPointer
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import CommentMark, YAMLError
from ruamel.yaml.tokens import CommentToken
from ruamel.yaml.util import load_yaml_guess_indent

from webhook.decide.patch import Operation
from webhook.kube.manifests import Manifest, is_json, load

UNFOLDED = 1 << 16


class CommentsLostError(Exception):
    """The patch could not be applied without writing the document anew; ``text`` is what was written."""

    def __init__(self, text: str) -> None:
        super().__init__("comments and style could not be kept")
        self.text = text


def patched_text(manifest: Manifest, operations: Iterable[Operation]) -> str:
    """Return the text of a document with operations applied, which start at the document's root.

    Raises CommentsLostError with a text that means the same. JSON becomes YAML, as it has no comments to lose.
    """
    wanted = json.loads(json.dumps(list(operations)))
    meant = jsonpatch.JsonPatch(wanted).apply(load(manifest.body))
    plain = manifest.head + yaml.safe_dump(meant, sort_keys=False, allow_unicode=True, width=UNFOLDED) + manifest.tail
    if is_json(manifest.body):
        return plain
    try:
        body = _round_trip(manifest.body, wanted)
        is_kept = load(body) == meant
    except (YAMLError, yaml.YAMLError, LookupError, TypeError, ValueError) as error:
        # What only one of the two libraries reads, such as a key that stands twice.
        raise CommentsLostError(plain) from error
    if not is_kept:
        raise CommentsLostError(plain)
    return manifest.head + body + manifest.tail


def _round_trip(text: str, operations: Sequence[Operation]) -> str:
    _, sequence, offset = load_yaml_guess_indent(text)
    editor = YAML(typ="rt")
    editor.preserve_quotes = True
    editor.width = UNFOLDED
    document = editor.load(text)
    editor.indent(mapping=_indent_of_maps(document) or 2, sequence=sequence or 2, offset=offset or 0)
    for operation in operations:
        _apply(document, operation)
    stream = io.StringIO()
    editor.dump(document, stream)
    first_line = "\n" if text.startswith("\n") and not stream.getvalue().startswith("\n") else ""
    return first_line + stream.getvalue()


def _indent_of_maps(node: object) -> int:
    """Return by how much the first mapping within a mapping is indented, 0 where there is none."""
    if not isinstance(node, CommentedMap):
        return 0
    for child in node.values():
        if isinstance(child, CommentedMap) and child and not child.fa.flow_style():
            return int(child.lc.col - node.lc.col)
    return 0


def _apply(document: CommentedMap, operation: Operation) -> None:
    """Apply one operation of ``webhook.decide.patch``; those add or remove, nothing else."""
    parent, key = JsonPointer(operation["path"]).to_last(document)
    if operation["op"] == "remove":
        del parent[key]
        return
    value = _commented(operation["value"])
    is_last = key == "-" if isinstance(parent, CommentedSeq) else key not in parent
    below = _take_comments_below(parent) if is_last else ""
    if isinstance(parent, CommentedSeq):
        parent.append(value) if is_last else parent.insert(key, value)
        key = len(parent) - 1
    else:
        parent[key] = value
    if below:
        _put_comments(parent, key, below)


def _take_comments_below(parent: CommentedMap | CommentedSeq) -> str:
    """Take away the comments that follow a node and are further left than it: they belong to what comes next."""
    token = _last_comment(parent)
    if token is None:
        return ""
    first, *lines = token.value.splitlines(keepends=True)
    outside = next((i for i, line in enumerate(lines) if line.strip() and _indent(line) < parent.lc.col), len(lines))
    while outside and not lines[outside - 1].strip():
        outside -= 1
    token.value = first + "".join(lines[:outside])
    return "".join(lines[outside:])


def _last_comment(node: CommentedMap | CommentedSeq) -> CommentToken | None:
    """Return the token of the comments that stand behind the last word of a node; ruamel keeps them there."""
    if not node:
        return None
    is_map = isinstance(node, CommentedMap)
    key = next(reversed(node)) if is_map else len(node) - 1
    token = (node.ca.items.get(key) or [None] * 4)[2 if is_map else 0]
    if token is None and isinstance(node[key], CommentedMap | CommentedSeq):
        return _last_comment(node[key])
    # A text in block style keeps its own.
    token = token or getattr(node[key], "comment", None)
    return token if isinstance(token, CommentToken) else None


def _put_comments(parent: CommentedMap | CommentedSeq, key: Any, comments: str) -> None:  # noqa: ANN401  a key
    """Put comments behind the last word of the node at the key, which we made: its leaves stand in mappings."""
    while isinstance(parent[key], CommentedMap | CommentedSeq) and parent[key]:
        parent = parent[key]
        key = next(reversed(parent)) if isinstance(parent, CommentedMap) else len(parent) - 1
    token = CommentToken("\n" + comments, CommentMark(0), None)
    parent.ca.items[key] = [None, None, token, None] if isinstance(parent, CommentedMap) else [token, None, None, None]


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _commented(value: object) -> object:
    """Return a JSON value as ruamel's own kind of it, which can carry comments."""
    if isinstance(value, dict):
        return CommentedMap({key: _commented(child) for key, child in value.items()})
    if isinstance(value, list):
        return CommentedSeq(_commented(child) for child in value)
    return value
