"""Which decisions still need attention: not those whose workload got a later decision that needs none."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

# What controllers append to the names of the objects that they create for each rollout or run.
GENERATED_END = {"ReplicaSet": re.compile(r"-[bcdfghjklmnpqrstvwxz2456789]{5,10}$"), "Job": re.compile(r"-\d{6,12}$")}


def settled(records: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the decisions in their order; one whose warning is resolved does not need attention any more.

    A trial resolves nothing. Records of older versions name no trial and no node.
    """
    found = list(records)
    healthy: dict[tuple[str, ...], float] = {}
    for record in found:
        if not record["needsAttention"] and not record.get("trial"):
            key = _workload(record)
            healthy[key] = max(record["time"], healthy.get(key, record["time"]))
    return [_settled(record, healthy) for record in found]


def _settled(record: Mapping[str, Any], healthy: Mapping[tuple[str, ...], float]) -> Mapping[str, Any]:
    later = healthy.get(_workload(record)) if record["needsAttention"] else None
    if later is None or later <= record["time"]:
        return record
    return {**record, "needsAttention": False, "resolved": True}


def _workload(record: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what identifies a workload over its pods; a DaemonSet's pods differ by their nodes."""
    kind, _, name = str(record["owner"]).partition("/")
    base = GENERATED_END[kind].sub("", name) if kind in GENERATED_END else name
    node = str(record.get("node", ""))
    # Pods of these kinds share the name that is generated; others, such as a StatefulSet's, have their own.
    own = "" if kind in {"DaemonSet", *GENERATED_END} else str(record["name"])
    return str(record["namespace"]), kind, base, own, node
