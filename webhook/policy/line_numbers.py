"""The line numbers of errors in a policy file: of a key, and of keys that occur twice."""

from collections.abc import Iterator

import yaml

from webhook.policy.faults import Fault


def line_of(root: yaml.Node, location: tuple[int | str, ...]) -> int:
    """Return the line, from 1, of the innermost existing node of a location."""
    node, line = root, root.start_mark.line + 1
    for part in location:
        found = _child(node, part)
        if found is None:
            return line
        key, node = found
        line = key.start_mark.line + 1
    return line


def _child(node: yaml.Node, part: int | str) -> tuple[yaml.Node, yaml.Node] | None:
    if isinstance(part, int):
        return (node.value[part], node.value[part]) if isinstance(node, yaml.SequenceNode) else None
    if not isinstance(node, yaml.MappingNode):
        return None
    return next(((key, value) for key, value in node.value if key.value == part), None)


def duplicate_keys(node: yaml.Node) -> Iterator[Fault]:
    """Yield a fault, with its line, for each key that a mapping has twice."""
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from duplicate_keys(item)
    if not isinstance(node, yaml.MappingNode):
        return
    seen: set[str] = set()
    for key, value in node.value:
        if key.value in seen:
            yield Fault(key.start_mark.line + 1, str(key.value), "duplicate key")
        seen.add(key.value)
        yield from duplicate_keys(value)
