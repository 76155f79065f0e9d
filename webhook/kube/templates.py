"""Pod templates inside other objects, found by their shape: Deployments, CronJobs, and custom kinds alike."""

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

from webhook.kube.metadata import controlling_owner
from webhook.kube.values import at, elements, mapping

# How many values of an object a review looks at for a template.
VALUES_LIMIT = 10_000


def pods_within(item: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the pod, or every pod template at any depth, with its JSON pointer (empty for the pod itself)."""
    if item.get("kind") == "Pod":
        yield "", item
    else:
        yield from _found("", item, _is_template)


class ManyTemplatesError(Exception):
    """An object has more than one pod template, or is too large to look for them."""


def changed_template(item: Mapping[str, Any], before: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the pod template that a person changes by this request; None of an object that a controller keeps.

    Raises ManyTemplatesError.
    """
    if controlling_owner(item):
        return None
    template = _the_template(item)
    return None if template is None or template == _the_template(before) else template


def _the_template(item: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return an object's only pod template: where Kubernetes' own kinds have it, else found by its shape."""
    spec = mapping(item.get("spec"))
    for owner in (spec, mapping(mapping(spec.get("jobTemplate")).get("spec"))):
        if _is_template(template := mapping(owner.get("template"))):
            return template
    return _by_shape(item)


def _by_shape(item: Mapping[str, Any]) -> Mapping[str, Any] | None:
    found: list[Mapping[str, Any]] = []
    waiting: list[object] = [item.get("spec")]
    for seen in range(VALUES_LIMIT):
        if not waiting:
            return found[0] if found else None
        value = waiting.pop()
        if isinstance(value, dict) and _is_template(value):
            found.append(value)
        elif isinstance(value, dict | list):
            waiting += islice(value.values() if isinstance(value, dict) else value, VALUES_LIMIT - seen)
        if len(found) > 1:
            raise ManyTemplatesError("more than 1 pod template in an object")
    raise ManyTemplatesError(f"more than {VALUES_LIMIT:,} values in which its template may be")


def _found(
    pointer: str, value: object, is_wanted: Callable[[Mapping[str, Any]], bool]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the objects below a value that are wanted, none within another."""
    if isinstance(value, dict):
        if pointer and is_wanted(value):
            yield pointer, value
            return
        for key, child in value.items():
            yield from _found(at(pointer, key), child, is_wanted)
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from _found(at(pointer, index), child, is_wanted)


def _is_template(value: Mapping[str, Any]) -> bool:
    # Some custom kinds name a container only by its image.
    containers = elements(mapping(value.get("spec")).get("containers"))
    return bool(containers) and all(
        isinstance(item, dict) and ("name" in item or "image" in item) for item in containers
    )
