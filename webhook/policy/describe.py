"""Describes the policy's keys, for docs/policy.md and for ``policy show``."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeGuard, get_args

from pydantic import BaseModel

from webhook.policy.model import Policy


@dataclass(frozen=True, slots=True)
class PolicyKey:
    """One key: its name (``bootstrap.plugins[].label`` for a nested one), its default, and its meaning.

    ``default`` is a JSON value; it has no meaning if the key ``is_required`` or ``is_group``.
    """

    name: str
    meaning: str
    default: Any = None
    is_required: bool = False
    is_group: bool = False


def keys(model: type[BaseModel] = Policy, prefix: str = "") -> Iterator[PolicyKey]:
    """Yield each key, a group before its own keys."""
    defaults = model.model_construct()
    for name, field in model.model_fields.items():
        key = f"{prefix}{field.alias}"
        inner = [part for part in (field.annotation, *get_args(field.annotation)) if _is_model(part)]
        is_group = _is_model(field.annotation)
        default = None if field.is_required() or is_group else _plain(getattr(defaults, name))
        yield PolicyKey(key, field.description or "", default, field.is_required(), is_group)
        for part in inner:
            yield from keys(part, f"{key}." if is_group else f"{key}[].")


def _is_model(annotation: object) -> TypeGuard[type[BaseModel]]:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value
