"""Raw JSON values, in which anything may be missing, null or odd."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

NOTHING: Mapping[str, Any] = MappingProxyType({})


def no_entries() -> Mapping[str, Any]:
    """Return the empty mapping, as the default of a field."""
    return NOTHING


def mapping(value: object) -> Mapping[str, Any]:
    """Return the value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else NOTHING


def elements(value: object) -> list[Any]:
    """Return the value if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def items(value: object) -> Iterator[Mapping[str, Any]]:
    """Yield the objects of a list, and nothing of anything else."""
    return (item for item in elements(value) if isinstance(item, dict))


def text(value: object) -> str:
    """Return the value as text, empty where there is none."""
    return "" if value is None else str(value)


def text_map(value: object) -> Mapping[str, str]:
    """Return a frozen copy of an object as a mapping of text to text."""
    found = mapping(value)
    return MappingProxyType({str(key): text(item) for key, item in found.items()}) if found else NOTHING


def metadata(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an API object's metadata."""
    return mapping(item.get("metadata"))


def name_of(item: Mapping[str, Any]) -> str:
    """Return ``metadata.name``, empty where there is none."""
    return text(metadata(item).get("name"))


def full_name(item: Mapping[str, Any]) -> str:
    """Return ``namespace/name``."""
    return f"{text(metadata(item).get('namespace'))}/{name_of(item)}"


def labels_of(item: Mapping[str, Any]) -> Mapping[str, str]:
    """Return a frozen copy of ``metadata.labels``."""
    return text_map(metadata(item).get("labels"))
