"""Reads the policy file. Each error names the file, the line, the key and the allowed values."""

import json
from collections.abc import Iterator
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from webhook.policy.model import Policy


class PolicyError(ValueError):
    """An invalid policy; the message has a line for each error, with file, line, key and allowed values."""


def parse_policy(text: str, source: str) -> Policy:
    """Read a policy from the text of its YAML file; ``source`` is its name in errors.

    Raises PolicyError, also for duplicate keys.
    """
    try:
        return _parse(text, source)
    except RecursionError:
        raise PolicyError(f"{source}: nested too deeply, or in itself") from None


def _parse(text: str, source: str) -> Policy:
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        plain = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:  # a ValueError: an invalid date
        raise _not_yaml(error, source) from error
    if root is None or plain is None:
        return Policy()
    errors = list(_duplicates(root, source))
    if errors:
        raise PolicyError("\n".join(errors))
    try:
        # Through JSON, strict validation accepts a list for a tuple.
        return Policy.model_validate_json(json.dumps(plain, default=str), by_alias=True, by_name=False)
    except ValidationError as error:
        placed = sorted((_line(root, detail["loc"]), _fault(detail)) for detail in error.errors())
        raise PolicyError("\n".join(f"{source}:{line}: {fault}" for line, fault in placed)) from error


def _not_yaml(error: yaml.YAMLError | ValueError, source: str) -> PolicyError:
    mark = getattr(error, "problem_mark", None)
    place = f"{source}:{mark.line + 1}" if mark else source
    said = " ".join(filter(None, (getattr(error, "context", None), getattr(error, "problem", None))))
    return PolicyError(f"{place}: not YAML: {said or ' '.join(str(error).split())}")


def _fault(detail: ErrorDetails) -> str:
    key = ".".join(str(part) for part in detail["loc"]) or "(the file)"
    return f"{key}: {_explain(detail)}"


def _explain(detail: ErrorDetails) -> str:
    match detail["type"]:
        case "extra_forbidden":
            return f"unknown key; allowed: {', '.join(_allowed_keys(detail['loc'][:-1]))}"
        case "bool_type":
            return f"{detail['input']!r} is not allowed; allowed: true, false"
        case "string_pattern_mismatch":
            return f"{detail['input']!r} is not allowed; allowed: text that matches {detail['ctx']['pattern']}"
        case "model_type":
            return "a mapping of keys to values is needed"
        case "missing":
            return "the key is missing"
        case _:
            return f"{detail['input']!r} is not allowed: {detail['msg']}"


def _allowed_keys(location: tuple[int | str, ...]) -> list[str]:
    schema: dict[str, Any] = Policy.model_json_schema()
    place = schema
    for part in location:
        place = place.get("items", {}) if isinstance(part, int) else place.get("properties", {}).get(part, {})
        if "$ref" in place:
            place = schema["$defs"][place["$ref"].rpartition("/")[2]]
    return sorted(place.get("properties", {}))


def _line(root: yaml.Node, location: tuple[int | str, ...]) -> int:
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


def _duplicates(node: yaml.Node, source: str) -> Iterator[str]:
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _duplicates(item, source)
    if not isinstance(node, yaml.MappingNode):
        return
    seen: set[str] = set()
    for key, value in node.value:
        if key.value in seen:
            yield f"{source}:{key.start_mark.line + 1}: {key.value}: duplicate key"
        seen.add(key.value)
        yield from _duplicates(value, source)
