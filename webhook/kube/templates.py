"""Pod templates inside other objects, found by their shape: Deployments, CronJobs, and custom kinds alike."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from webhook.kube.metadata import controlling_owner
from webhook.kube.values import at, elements, mapping


def pods_within(item: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the pod, or every pod template at any depth, with its JSON pointer (empty for the pod itself)."""
    if item.get("kind") == "Pod":
        yield "", item
    else:
        yield from _found("", item, _is_template)


def changed_templates(item: Mapping[str, Any], before: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the pod templates that a person changes by this request; none of an object that a controller keeps."""
    if controlling_owner(item):
        return
    known = dict(pods_within(before))
    for pointer, template in pods_within(item):
        if template != known.get(pointer):
            yield template


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
