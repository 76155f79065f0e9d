"""Plain JSON values as YAML text in an author's layout: lines in block style, or one text in flow style."""

import json
import re
from collections.abc import Iterator
from typing import Any

from webhook.commands.yaml_edit.layout import Layout
from webhook.kube.yaml_scalars import plain_value

# Texts that mean the same without quotes, in block and in flow style, for every YAML library.
PLAIN = re.compile(r"[A-Za-z_/.]((?:[A-Za-z0-9_./@+= -]|:(?! ))*[A-Za-z0-9_./@+=-])?")


def scalar_text(value: object, quote: str = "") -> str:
    """Return a scalar, or an empty collection, as YAML; ``quote`` is the author's quote for texts."""
    if not isinstance(value, str):
        return json.dumps(value)
    if quote == "'" and value.isprintable():
        return "'" + value.replace("'", "''") + "'"
    is_plain = PLAIN.fullmatch(value) and plain_value(value) == value
    return value if is_plain and quote != '"' else json.dumps(value, ensure_ascii=False)


def flow_text(value: Any, layout: Layout, key: str = "") -> str:  # noqa: ANN401  any JSON
    """Return a value on one line, as it may be within braces."""
    if layout.is_json:
        return json.dumps(value, ensure_ascii=False, separators=layout.separators)
    if isinstance(value, dict):
        members = (f"{scalar_text(name)}: {flow_text(child, layout, name)}" for name, child in value.items())
        return "{" + ", ".join(members) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(flow_text(child, layout) for child in value) + "]"
    return scalar_text(value, layout.quote(key))


def block_entry(key: str, value: Any, column: int, layout: Layout) -> Iterator[str]:  # noqa: ANN401  any JSON
    """Yield the lines of a member of a mapping whose keys are at a column."""
    head = f"{' ' * column}{scalar_text(key)}:"
    if isinstance(value, dict | list) and value:
        yield head
        yield from block_lines(value, column, layout)
    else:
        yield f"{head} {scalar_text(value, layout.quote(key))}"


def block_lines(value: Any, column: int, layout: Layout) -> Iterator[str]:  # noqa: ANN401  any JSON
    """Yield the lines of a collection that is the value of a key at a column."""
    if isinstance(value, dict):
        for key, child in value.items():
            yield from block_entry(key, child, column + layout.mapping, layout)
    else:
        for child in value:
            yield from block_item(child, column + layout.sequence, layout)


def block_item(value: Any, column: int, layout: Layout) -> Iterator[str]:  # noqa: ANN401  any JSON
    """Yield the lines of a member of a list whose dashes are at a column."""
    inner = column + layout.dash
    if isinstance(value, dict) and value:
        lines = [line for key, child in value.items() for line in block_entry(key, child, inner, layout)]
    else:
        lines = [" " * inner + flow_text(value, layout)]
    yield " " * column + "-" + lines[0][column + 1 :]
    yield from lines[1:]
