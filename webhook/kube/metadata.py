"""The metadata of API objects: names, labels, and the owner that controls an object."""

from collections.abc import Mapping
from typing import Any

from webhook.kube.values import EMPTY, items, mapping, text, text_map

# The API server gives each namespace this label with its name.
NAMESPACE_NAME_LABEL = "kubernetes.io/metadata.name"


def metadata(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an API object's metadata."""
    return mapping(item.get("metadata"))


def name_of(item: Mapping[str, Any]) -> str:
    """Return ``metadata.name``, empty where there is none."""
    return text(metadata(item).get("name"))


def full_name(item: Mapping[str, Any]) -> str:
    """Return ``namespace/name``."""
    return f"{namespace_of(item)}/{name_of(item)}"


def labels_of(item: Mapping[str, Any]) -> Mapping[str, str]:
    """Return a frozen copy of ``metadata.labels``."""
    return text_map(metadata(item).get("labels"))


def labels_as_written(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return ``metadata.labels`` without a copy: a pod that is reviewed may have very many, of which few are read."""
    return mapping(metadata(item).get("labels"))


def controlling_owner(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the owner reference of the object's controller, empty where it has none."""
    owners = items(metadata(item).get("ownerReferences"))
    return next((owner for owner in owners if owner.get("controller") is True), EMPTY)


def namespace_of(item: Mapping[str, Any]) -> str:
    """Return the namespace of an object, empty where it has none."""
    return text(metadata(item).get("namespace"))
