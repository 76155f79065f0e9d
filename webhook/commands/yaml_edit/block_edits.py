"""Edits of mappings and lists in block style."""

from collections.abc import Iterator, Sequence

from webhook.commands.yaml_edit.changes import CannotEditError
from webhook.commands.yaml_edit.edits import Edit, indent_before, line_end
from webhook.commands.yaml_edit.layout import Layout
from webhook.commands.yaml_edit.nodes import YamlEntry, YamlKind, YamlNode
from webhook.commands.yaml_edit.render import block_entry, block_item, block_lines, flow_text, scalar_text


def block_edits(text: str, node: YamlNode, layout: Layout) -> Iterator[Edit]:
    """Yield the edits of one collection in block style. Raises CannotEditError."""
    for entry in node.entries:
        if entry.node and entry.new:
            yield from _replace(text, node, entry, layout)
    added = [entry for entry in node.entries if entry.is_added]
    kept = [entry for entry in node.entries if not entry.is_added]
    lines = [line for entry in added for line in _lines(node, entry, layout)]
    if not kept:
        yield _in_place_of_all(node, lines, layout)
        return
    for entry in node.removed:
        yield _remove(text, kept, entry)
    if lines:
        yield _insert(text, node, kept[-1], lines, layout)


def _lines(node: YamlNode, entry: YamlEntry, layout: Layout) -> Iterator[str]:
    value = entry.new.value if entry.new else None
    if node.kind is YamlKind.MAPPING:
        return block_entry(entry.key, value, node.column, layout)
    return block_item(value, node.column, layout)


def _insert(text: str, node: YamlNode, last: YamlEntry, lines: Sequence[str], layout: Layout) -> Edit:
    """Insert lines below the last member and the comments that belong to it."""
    content = (last.node.last or last.node) if last.node else node
    if content.style in ("|", ">") and not text.endswith("\n") and content.end == len(text):
        # Another line would end the text of the block scalar with a line end.
        indent = indent_before(text, last.start)
        if indent is None:
            raise CannotEditError
        place = last.start - len(indent)
        return Edit(place, place, "".join(line + layout.newline for line in lines))
    is_at_line_start = text[content.end - 1] == "\n"
    place = content.end if is_at_line_start else line_end(text, content.end)
    place = _after_comments(text, place, node.column)
    if place and text[place - 1] != "\n":
        return Edit(place, place, "".join(layout.newline + line for line in lines))
    return Edit(place, place, "".join(line + layout.newline for line in lines))


def _after_comments(text: str, place: int, column: int) -> int:
    """Return the place after the comments that are not further left than a column: they belong to what is above."""
    cursor, after = place, place
    while cursor < len(text):
        end = text.find("\n", cursor)
        end = len(text) if end < 0 else end + 1
        line = text[cursor:end]
        words = line.lstrip(" \t")
        if words.startswith("#") and len(line) - len(words) >= column:
            after = end
        elif words.strip():
            break
        cursor = end
    return after


def _in_place_of_all(node: YamlNode, lines: Sequence[str], layout: Layout) -> Edit:
    """Write new members in place of all former ones; an empty collection if there are none."""
    if not node.removed:
        raise CannotEditError
    new = layout.newline.join(lines)[node.column :] if lines else "{}"
    return Edit(node.removed[0].start, max(entry.end for entry in node.removed), new)


def _remove(text: str, kept: Sequence[YamlEntry], entry: YamlEntry) -> Edit:
    indent = indent_before(text, entry.start)
    if indent is not None:
        return Edit(entry.start - len(indent), line_end(text, entry.end), "")
    # It is on the line of a dash, and so is the next one then.
    following = next((other for other in kept if other.start > entry.start), None)
    if following is None:
        raise CannotEditError
    return Edit(entry.start, following.start, "")


def _replace(text: str, node: YamlNode, entry: YamlEntry, layout: Layout) -> Iterator[Edit]:
    old, new = entry.node, entry.new.value if entry.new else None
    if old is None or (old.kind in (YamlKind.MAPPING, YamlKind.SEQUENCE) and not old.is_flow):
        raise CannotEditError
    if isinstance(new, dict | list) and new and entry.key_node:
        # Delete what is written, and write lines below the key.
        colon = text.index(":", entry.key_node.end) + 1
        yield Edit(colon, old.end, "")
        place, lines = line_end(text, old.end), block_lines(new, node.column, layout)
        is_line = text[place - 1] == "\n"
        yield Edit(place, place, "".join(line + layout.newline if is_line else layout.newline + line for line in lines))
        return
    written = flow_text(new, layout) if isinstance(new, dict | list) else scalar_text(new, old.style)
    yield Edit(old.start, old.end, f" {written}" if old.is_empty_scalar else written)
