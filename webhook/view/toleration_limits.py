"""A namespace's labels, and the tolerations that PodTolerationRestriction allows there."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from webhook.kube.metadata import labels_of, metadata
from webhook.kube.values import items, mapping
from webhook.view.compact_labels import CompactLabels

# Source: https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#podtolerationrestriction
WHITELIST_ANNOTATION = "scheduler.alpha.kubernetes.io/tolerationsWhitelist"
DEFAULTS_ANNOTATION = "scheduler.alpha.kubernetes.io/defaultTolerations"
MAX_ANNOTATION_CHARACTERS = 64 * 1024
MAX_TOLERATIONS = 500
MAX_LABEL_CHARACTERS = 64 * 1024

Tolerations = tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class TolerationLimits:
    """What two annotations of a namespace say about tolerations.

    ``whitelist`` is None where the annotation is absent: then a whitelist of the whole cluster may apply, which the API
    does not show. An empty whitelist allows everything. ``is_readable`` is False where an annotation is not a list of
    tolerations, or too long: then its content is unknown.
    """

    whitelist: Tolerations | None = None
    defaults: Tolerations | None = None
    is_readable: bool = True


NO_LIMITS = TolerationLimits()


class NamespaceLabels(CompactLabels):
    """The labels of a namespace, with its ``toleration_limits`` beside them."""

    __slots__ = ("toleration_limits",)

    def __init__(self, labels: Mapping[str, str], toleration_limits: TolerationLimits = NO_LIMITS) -> None:
        super().__init__(labels)
        self.toleration_limits = toleration_limits

    def __eq__(self, other: object) -> bool:
        same = super().__eq__(other)
        return same if same is not True else limits_of(other) == self.toleration_limits

    __hash__ = None


def limits_of(labels: object) -> TolerationLimits:
    """Return the limits of a namespace in the view; plain labels have none."""
    return labels.toleration_limits if isinstance(labels, NamespaceLabels) else NO_LIMITS


def has_usual_size(item: Mapping[str, Any]) -> bool:
    """Say whether a namespace's labels are few enough to be kept: those who may label it choose how many there are."""
    return sum(len(key) + len(value) for key, value in labels_of(item).items()) <= MAX_LABEL_CHARACTERS


def project_namespace(item: Mapping[str, Any]) -> NamespaceLabels:
    """Keep a namespace's labels and its limits on tolerations."""
    return NamespaceLabels(labels_of(item), _limits(mapping(metadata(item).get("annotations"))))


def _limits(annotations: Mapping[str, Any]) -> TolerationLimits:
    values = [annotations.get(key) for key in (WHITELIST_ANNOTATION, DEFAULTS_ANNOTATION)]
    if values == [None, None]:
        return NO_LIMITS
    found = [_tolerations(value) for value in values]
    readable = all((value is None) == (limit is None) for value, limit in zip(values, found, strict=True))
    return TolerationLimits(whitelist=found[0], defaults=found[1], is_readable=readable)


def _tolerations(annotation: object) -> Tolerations | None:
    if annotation == "":
        return ()
    if not isinstance(annotation, str) or len(annotation) > MAX_ANNOTATION_CHARACTERS:
        return None
    try:
        found = json.loads(annotation)
    except (ValueError, RecursionError):
        return None
    listed = found if isinstance(found, list) else None
    if listed is None or len(listed) > MAX_TOLERATIONS or not all(isinstance(entry, dict) for entry in listed):
        return None
    return tuple(items(listed))
