"""Shows a patch as the lines of a diff. The pod is not stored, so only additions and removals are shown."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import Any

import orjson
import yaml

# Use libyaml if it is built in: it is ten times as fast, and a page can have a thousand patches.
DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

SIGNS = {"add": "+", "remove": "-", "replace": "~"}


@dataclass(frozen=True, slots=True)
class DiffLine:
    """One line and its sign: ``@`` for the path in the pod, ``+``, ``-`` and ``~`` for the change."""

    sign: str
    text: str


def patch_lines(operations: Iterable[Mapping[str, Any]]) -> tuple[DiffLine, ...]:
    """Return the lines of RFC 6902 operations, grouped by path."""
    return _cached_lines(orjson.dumps(list(operations)))


@lru_cache(maxsize=128)
def _cached_lines(operations: bytes) -> tuple[DiffLine, ...]:
    # Most pods of a cluster get one of few patches.
    return tuple(_lines(orjson.loads(operations)))


def _lines(operations: Iterable[Mapping[str, Any]]) -> Iterator[DiffLine]:
    for place, group in groupby(operations, key=lambda operation: _place(str(operation["path"]))):
        yield DiffLine("@", f"@@ {place or 'pod'} @@")
        for operation in group:
            sign = SIGNS.get(str(operation["op"]), "~")
            for text in _value(operation):
                yield DiffLine(sign, f"{sign} {text}")


def _place(pointer: str) -> str:
    """Return the parent of a JSON pointer in the usual notation: ``spec.containers[1].env``."""
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
