"""JSON Patch operations (RFC 6902), built one by one; never a diff of two documents."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from webhook.kube.values import at

Operation = Mapping[str, Any]


def add(pointer: str, value: object) -> Operation:
    """Add a value, or replace the one that is there."""
    return {"op": "add", "path": pointer, "value": value}


def add_items(pointer: str, present: object, items: Iterable[Mapping[str, Any]]) -> Iterator[Operation]:
    """Append to the list at the pointer, or create it where no list is present (absent, or null)."""
    new = list(items)
    if not new:
        return
    if isinstance(present, list):
        yield from (add(pointer + "/-", item) for item in new)
    else:
        yield add(pointer, new)


def add_entry(pointer: str, present: object, key: str, value: str) -> Operation:
    """Set one key of the mapping at the pointer, or create the mapping where none is present."""
    if isinstance(present, dict):
        return add(at(pointer, key), value)
    return add(pointer, {key: value})


def below(pointer: str, operations: Iterable[Operation]) -> tuple[Operation, ...]:
    """Move operations from a pod's root to the place of that pod in a larger object."""
    return tuple({**operation, "path": pointer + operation["path"]} for operation in operations)


def remove(pointer: str) -> Operation:
    """Remove the value at the pointer."""
    return {"op": "remove", "path": pointer}
