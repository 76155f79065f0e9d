"""Pod templates inside other objects, found by their shape: Deployments, CronJobs, and custom kinds alike."""

from collections.abc import Iterator, Mapping
from typing import Any

from webhook.decide.patch import at
from webhook.decide.pod import elements, mapping


def pods_within(item: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the pod, or every pod template at any depth, with the JSON pointer at which it stands (a pod: empty)."""
    if item.get("kind") == "Pod":
        yield "", item
    else:
        yield from _templates("", item)


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
