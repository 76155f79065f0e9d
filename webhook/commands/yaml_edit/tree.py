"""The nodes of one document with their positions in its text, from libyaml's events or from JSON."""

from collections.abc import Iterator
from typing import Any

import yaml

from webhook.commands.yaml_edit.json_tree import json_tree
from webhook.commands.yaml_edit.nodes import Wanted, YamlEntry, YamlKind, YamlNode, wanted_below
from webhook.kube.document_stream import MARKER_BEFORE_JSON, start_after_bom
from webhook.kube.yaml_scalars import plain_value, tagged_value
from webhook.kube.yaml_values import YamlError, key_text

BLOCK_SCALARS = ("|", ">")


def document_tree(text: str, wanted: Wanted) -> YamlNode:
    """Return the root node of a text that is one document; members that are not wanted have no members of their own.

    Raises YamlError, also for an empty document.
    """
    begin = MARKER_BEFORE_JSON.match(text)
    if begin and (root := json_tree(text, begin.end(), wanted)):
        return root
    shift = start_after_bom(text)
    parser = yaml.CSafeLoader(text[shift:])
    try:
        return _Reader(parser, text, shift).read(wanted)
    except yaml.YAMLError as error:
        raise YamlError(str(error), 0) from error
    finally:
        parser.dispose()


class _Reader:
    def __init__(self, parser: yaml.CSafeLoader, text: str, shift: int) -> None:
        self._events: Iterator[Any] = iter(parser.get_event, None)
        self._text = text
        self._shift = shift

    def read(self, wanted: Wanted) -> YamlNode:
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                return self._node(next(self._events), wanted)
        raise YamlError("an empty document", 0)

    def _node(self, event: Any, wanted: Wanted | None) -> YamlNode:  # noqa: ANN401  an event of PyYAML
        if type(event) is yaml.ScalarEvent:
            return self._scalar(event)
        start, end = event.start_mark.index + self._shift, event.end_mark.index + self._shift
        column = event.start_mark.column
        if type(event) is yaml.AliasEvent:
            return YamlNode(YamlKind.ALIAS, start, end, column)
        kind = YamlKind.MAPPING if type(event) is yaml.MappingStartEvent else YamlKind.SEQUENCE
        node = YamlNode(kind, start, end, column, is_flow=bool(event.flow_style))
        has_properties = bool(event.tag or event.anchor)
        if wanted is None and not has_properties:
            self._skip(node)
        else:
            self._members(node, wanted or {})
            if node.entries and has_properties and not node.is_flow:
                node.column = self._column(node)
        return node

    def _scalar(self, event: Any) -> YamlNode:  # noqa: ANN401  as above
        start, end = event.start_mark.index + self._shift, event.end_mark.index + self._shift
        style = event.style or ""
        if style in BLOCK_SCALARS:
            end = self._end_of_block(start, end)
        return YamlNode(YamlKind.SCALAR, start, end, event.start_mark.column, style=style)

    def _members(self, node: YamlNode, wanted: Wanted) -> None:
        for event in self._events:
            if type(event) in (yaml.MappingEndEvent, yaml.SequenceEndEvent):
                break
            if node.kind is YamlKind.SEQUENCE:
                entry = YamlEntry(self._node(event, wanted_below(wanted, str(len(node.entries)))))
            else:
                key_node, key = self._node(event, {}), _key(event)
                value = self._node(next(self._events), wanted_below(wanted, key))
                entry = YamlEntry(value, key, key_node, is_merge=key == "<<" and not key_node.style)
            node.entries.append(entry)
        if node.is_flow:
            node.end = event.end_mark.index + self._shift
        else:
            last = node.entries[-1].node
            node.last = last.last if last and last.last else last
            node.end = node.entries[-1].end

    def _skip(self, node: YamlNode) -> None:
        """Read to the end of a collection; in block style, it ends where its last scalar does."""
        starts, ends = (yaml.MappingStartEvent, yaml.SequenceStartEvent), (yaml.MappingEndEvent, yaml.SequenceEndEvent)
        depth, last, flow = 1, None, []
        for event in self._events:
            kind = type(event)
            if kind in starts:
                depth += 1
                flow.append(event.flow_style)
            elif kind in ends:
                depth -= 1
                if depth == 0:
                    break
                if flow.pop():
                    last = event
            else:
                last = event
        if node.is_flow or last is None:
            node.end = event.end_mark.index + self._shift
        elif type(last) is yaml.ScalarEvent:
            node.last = self._scalar(last)
            node.end = node.last.end
        else:
            node.end = last.end_mark.index + self._shift

    def _column(self, node: YamlNode) -> int:
        """Return the column of a block collection's members: a tag or an anchor is before them."""
        first = node.entries[0]
        if first.key_node:
            return first.key_node.column
        dash = self._text.rfind("-", 0, max(first.start, node.start + 1))
        return dash - self._text.rfind("\n", 0, dash) - 1

    def _end_of_block(self, start: int, end: int) -> int:
        """Return the end without the blank lines that libyaml counts to a block scalar, unless it keeps them."""
        header = self._text[start : self._text.find("\n", start)]
        return end if "+" in header.partition("#")[0] else start + len(self._text[start:end].rstrip())


def _key(event: Any) -> str:  # noqa: ANN401  an event of PyYAML
    if type(event) is not yaml.ScalarEvent:
        return ""
    if event.implicit[0]:
        return str(event.value) if event.value == "<<" else key_text(plain_value(event.value), event)
    if event.implicit[1] or not event.tag:
        return str(event.value)
    return key_text(tagged_value(event.tag, event.value), event)
