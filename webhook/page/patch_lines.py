"""A patch as the lines of a diff. The pod itself is not remembered, so there is nothing but what we add and remove."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import Any

import orjson
import yaml

# libyaml where it is built in: ten times as fast, and a page has a thousand patches.
DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

SIGNS = {"add": "+", "remove": "-", "replace": "~"}


@dataclass(frozen=True, slots=True)
class Line:
    """One line, and its sign: ``@`` for the place in the pod, ``+``, ``-`` and ``~`` for what becomes of it."""

    sign: str
    text: str


def patch_lines(operations: Iterable[Mapping[str, Any]]) -> tuple[Line, ...]:
    """Return the lines of RFC 6902 operations, those at one place together."""
    return _cached_lines(orjson.dumps(list(operations)))


@lru_cache(maxsize=128)
def _cached_lines(operations: bytes) -> tuple[Line, ...]:
    # Most pods of a cluster get one of a few patches.
    return tuple(_lines(orjson.loads(operations)))


def _lines(operations: Iterable[Mapping[str, Any]]) -> Iterator[Line]:
    for place, group in groupby(operations, key=lambda operation: _place(str(operation["path"]))):
        yield Line("@", f"@@ {place or 'pod'} @@")
        for operation in group:
            sign = SIGNS.get(str(operation["op"]), "~")
            for text in _value(operation):
                yield Line(sign, f"{sign} {text}")


def _place(pointer: str) -> str:
    """Return the parent of what a JSON pointer names, as people write it: ``spec.containers[1].env``."""
    *parents, _ = _segments(pointer)
    text = ""
    for segment in parents:
        text += f"[{segment}]" if segment.isdecimal() else f".{segment}"
    return text.removeprefix(".")


def _value(operation: Mapping[str, Any]) -> list[str]:
    key = _segments(str(operation["path"]))[-1]
    is_item = key == "-" or key.isdecimal()
    if operation["op"] == "remove":
        return [f"item {key}" if is_item else key]
    value = operation.get("value")
    shown = [value] if is_item else {key: value}
    dumped: str = yaml.dump(shown, Dumper=DUMPER, sort_keys=False, allow_unicode=True, width=1000)
    return dumped.splitlines()


def _segments(pointer: str) -> list[str]:
    return [segment.replace("~1", "/").replace("~0", "~") for segment in pointer.split("/")[1:]] or [""]
