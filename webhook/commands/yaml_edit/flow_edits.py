"""Edits of mappings and lists in flow style, JSON among them."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from webhook.commands.yaml_edit.changes import CannotEditError
from webhook.commands.yaml_edit.edits import Edit, indent_before, line_start
from webhook.commands.yaml_edit.layout import Layout
from webhook.commands.yaml_edit.nodes import YamlEntry, YamlKind, YamlNode
from webhook.commands.yaml_edit.render import flow_text, scalar_text

# The rest of a line after the last member, when the bracket is on a later line.
REST = re.compile(r"[ \t]*(,?)[ \t]*(#[^\r\n]*)?(?=\r?\n)")


def flow_edits(text: str, node: YamlNode, layout: Layout) -> Iterator[Edit]:
    """Yield the edits of one collection in flow style. Raises CannotEditError."""
    if layout.is_json and _is_compact(text, node):
        layout = replace(layout, separators=(",", ":"))
    for entry in node.entries:
        if entry.node and entry.new:
            written = _written(entry, layout)
            yield Edit(entry.node.start, entry.end, f" {written}" if entry.node.is_empty_scalar else written)
    added = [entry for entry in node.entries if entry.is_added]
    kept = [entry for entry in node.entries if not entry.is_added]
    if not kept:
        begin = node.removed[0].start if node.removed else node.end - 1
        end = max((entry.end for entry in node.removed), default=begin)
        yield Edit(begin, end, ", ".join(_member(node, entry, layout) for entry in added))
        return
    for entry in node.removed:
        yield _remove(kept, entry)
    if added:
        yield from _append(text, node, kept[-1], added, layout)


def _append(text: str, node: YamlNode, last: YamlEntry, added: Sequence[YamlEntry], layout: Layout) -> Iterator[Edit]:
    if last.node and last.node.is_empty_scalar:
        raise CannotEditError
    rest = REST.match(text, last.end)
    indent = indent_before(text, last.start)
    if not rest or indent is None or last.start - len(indent) <= node.start:
        members = "".join(layout.separators[0] + _member(node, entry, layout) for entry in added)
        yield Edit(last.end, last.end, members)
        return
    # One member a line, and the bracket on a later line: the new ones are written so, too.
    if not rest[1]:
        yield Edit(last.end, last.end, ",")
    step = _step(text, node, indent)
    members = f",{layout.newline}".join(indent + _member(node, entry, layout, indent, step) for entry in added)
    yield Edit(rest.end(), rest.end(), layout.newline + members + rest[1])


def _is_compact(text: str, node: YamlNode) -> bool:
    """Say whether there are no blanks behind the colon of a mapping, or behind the comma of a list."""
    keyed = [(entry.key_node, entry.node) for entry in node.entries if entry.key_node]
    if keyed:
        return any(value and value.start == key.end + 1 for key, value in keyed)
    following = [entry for entry in node.entries if not entry.is_added][1:2]
    return bool(following) and text[following[0].start - 1] == ","


def _step(text: str, node: YamlNode, indent: str) -> str:
    """Return by what the members are indented, relative to the line on which the collection begins."""
    begin = line_start(text, node.start)
    outer = text[begin : begin + len(indent)]
    return indent[len(outer) - len(outer.lstrip()) :]


def _remove(kept: Sequence[YamlEntry], entry: YamlEntry) -> Edit:
    following = next((other for other in kept if other.start > entry.start), None)
    if following:
        return Edit(entry.start, following.start, "")
    before = max(other.end for other in kept)
    return Edit(before, entry.end, "")


def _member(node: YamlNode, entry: YamlEntry, layout: Layout, indent: str = "", step: str = "") -> str:
    """Return a new member; of JSON on several lines, with its own members on lines of their own."""
    value = entry.new.value if entry.new else None
    if layout.is_json and indent and isinstance(value, dict | list):
        written = json.dumps(value, indent=step, ensure_ascii=False).replace("\n", layout.newline + indent)
    else:
        written = _written(entry, layout)
    if node.kind is YamlKind.SEQUENCE:
        return written
    key = json.dumps(entry.key, ensure_ascii=False) if layout.is_json else scalar_text(entry.key)
    return f"{key}{layout.separators[1]}{written}"


def _written(entry: YamlEntry, layout: Layout) -> str:
    value = entry.new.value if entry.new else None
    style = entry.node.style if entry.node else ""
    if isinstance(value, str) and style in ("'", '"') and not layout.is_json:
        return scalar_text(value, style)
    return flow_text(value, layout, entry.key)
