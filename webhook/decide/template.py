"""Pod templates inside other objects, found by their shape: Deployments, CronJobs, and custom kinds alike."""

from collections.abc import Iterator, Mapping
from typing import Any

from webhook.decide.patch import at
from webhook.raw import elements, items, mapping, metadata


def pods_within(item: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the pod, or every pod template at any depth, with the JSON pointer at which it stands (a pod: empty)."""
    if item.get("kind") == "Pod":
        yield "", item
    else:
        yield from _templates("", item)


def changed_templates(item: Mapping[str, Any], before: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the pod templates that a person changes by this request; none of an object that a controller keeps."""
    if any(owner.get("controller") for owner in items(metadata(item).get("ownerReferences"))):
        return
    known = dict(pods_within(before))
    for pointer, template in pods_within(item):
        if template != known.get(pointer):
            yield template


def _templates(pointer: str, value: object) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(value, dict):
        if pointer and _is_template(value):
            yield pointer, value
            return
        for key, child in value.items():
            yield from _templates(at(pointer, key), child)
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from _templates(at(pointer, index), child)


def _is_template(value: Mapping[str, Any]) -> bool:
    containers = elements(mapping(value.get("spec")).get("containers"))
    return bool(containers) and all(isinstance(item, dict) and "name" in item for item in containers)
