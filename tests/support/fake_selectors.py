"""Label and field selectors of a list or watch request, as the fake API server understands them."""

import re
from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]


def matches(item: Json, query: Mapping[str, str]) -> bool:
    """Return whether the label and field selectors of a query match an object."""
    labels = item["metadata"].get("labels") or {}
    # Commas inside the brackets of a set do not separate requirements.
    requirements = re.findall(r"(?:[^,(]|\([^)]*\))+", query.get("labelSelector") or "")
    fields = [part for part in (query.get("fieldSelector") or "").split(",") if part]
    return all(_label_matches(labels, part.strip()) for part in requirements) and all(
        _field_matches(item, part) for part in fields
    )


def _label_matches(labels: Mapping[str, str], requirement: str) -> bool:
    if found := re.fullmatch(r"(\S+)\s+(in|notin)\s+\(([^)]*)\)", requirement):
        key, operator, values = found.groups()
        return (labels.get(key) in [value.strip() for value in values.split(",")]) == (operator == "in")
    if found := re.fullmatch(r"([^!=]+)(!=|==|=)(.*)", requirement):
        key, operator, value = found.groups()
        return (labels.get(key.strip()) == value.strip()) == (operator != "!=")
    return requirement[1:] not in labels if requirement.startswith("!") else requirement in labels


def _field_matches(item: Json, requirement: str) -> bool:
    path, operator, wanted = re.split(r"(!=|==|=)", requirement, maxsplit=1)
    value: Any = item
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return (str(value or "") == wanted) == (operator != "!=")
