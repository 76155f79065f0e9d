"""The heartbeat: a ConfigMap that is only tried, and the mark that our webhook adds to it. Pure.

A server-side dry-run passes through admission and stores nothing. The mark in its answer proves that the API server
called us. Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#dry-run
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from webhook.decide.patch import Operation, add_entry
from webhook.kube.metadata import labels_of, name_of
from webhook.kube.values import mapping, text
from webhook.names import ANSWERED_BY_KEY, HEARTBEAT_KEY, HEARTBEAT_NAME, HEARTBEAT_VALUE

# A replica's name is that of its pod.
REPLICA_LIMIT = 253


class HeartbeatOutcome(StrEnum):
    """What became of one heartbeat. ``refused``: by another part of the cluster. ``unknown``: no answer came."""

    ANSWERED = "answered"
    MISSED = "missed"
    REFUSED = "refused"
    UNKNOWN = "unknown"


def heartbeat_object(namespace: str) -> dict[str, Any]:
    """Return the ConfigMap that is sent; it is never stored."""
    metadata = {"name": HEARTBEAT_NAME, "namespace": namespace, "labels": {HEARTBEAT_KEY: HEARTBEAT_VALUE}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}


def is_heartbeat(item: Mapping[str, Any], resource: str, operation: str) -> bool:
    """Say whether the object of a review is a heartbeat."""
    is_named = name_of(item) == HEARTBEAT_NAME and labels_of(item).get(HEARTBEAT_KEY) == HEARTBEAT_VALUE
    return (resource, operation) == ("configmaps", "CREATE") and is_named


def mark(item: Mapping[str, Any], replica: str) -> tuple[Operation, ...]:
    """Return the patch that marks a heartbeat with the name of a replica."""
    annotations = mapping(item.get("metadata")).get("annotations")
    return (add_entry("/metadata/annotations", annotations, ANSWERED_BY_KEY, replica[:REPLICA_LIMIT]),)


def marked_by(item: Mapping[str, Any]) -> str:
    """Return the replica that marked an answered heartbeat; empty if none did."""
    return text(mapping(mapping(item.get("metadata")).get("annotations")).get(ANSWERED_BY_KEY))


def heartbeat_condition() -> str:
    """Return the CEL expression of the ``heartbeat`` entry: this one ConfigMap."""
    return f"object.metadata.name == '{HEARTBEAT_NAME}'"
