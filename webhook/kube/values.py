"""Raw JSON values, in which anything may be missing, null or odd."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

EMPTY: Mapping[str, Any] = MappingProxyType({})


def empty_mapping() -> Mapping[str, Any]:
    """Return the empty mapping, as the default of a field."""
    return EMPTY


def mapping(value: object) -> Mapping[str, Any]:
    """Return the value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else EMPTY


def elements(value: object) -> list[Any]:
    """Return the value if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def items(value: object) -> Iterator[Mapping[str, Any]]:
    """Yield the objects of a list, and nothing of anything else."""
    return (item for item in elements(value) if isinstance(item, dict))


def text(value: object) -> str:
    """Return the value as text, empty where there is none. An object or a list is no text, and may be large."""
    return "" if value is None or isinstance(value, dict | list) else str(value)


def text_map(value: object) -> Mapping[str, str]:
    """Return a frozen copy of an object as a mapping of text to text."""
    found = mapping(value)
    return MappingProxyType({str(key): text(item) for key, item in found.items()}) if found else EMPTY


def at(pointer: str, *segments: str | int) -> str:
    """Extend a JSON pointer (RFC 6901) by segments, escaped."""
    return pointer + "".join("/" + str(segment).replace("~", "~0").replace("/", "~1") for segment in segments)
