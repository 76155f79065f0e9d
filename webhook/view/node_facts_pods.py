"""What the view keeps of the pods that report node facts, and of the DaemonSet that they belong to.

Only the kubelet of its node writes a pod's status, so a report is as trustworthy as the node.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from sys import intern
from typing import Any

from webhook.kube.metadata import controlling_owner, metadata
from webhook.kube.values import EMPTY, items, mapping, text
from webhook.node_facts.facts_report import MAX_BYTES, NodeFacts
from webhook.nvidia.failure_messages import FailureKind, failure_of

NAME = "gpu-injector-node-facts"
"""The name of the DaemonSet."""
LABEL = "app.kubernetes.io/name"
"""The label of the DaemonSet and its pods, with that name. The webhook's Service selects another value."""
REPORT, FOLLOW = "report", "follow"
"""The init container, which shows what the default runtime adds, and the container that follows changes."""
# NVIDIA's runtime says these of a container that names no RuntimeClass only where it is the default.
DEFAULT_RUNTIME_FAILURES = frozenset(
    {
        FailureKind.CONTAINER_CLI,
        FailureKind.CDI_UNRESOLVED,
        FailureKind.CDI_HOOK_MISSING,
        FailureKind.RUNTIME_MISSING,
        FailureKind.RUNTIME_FAILED,
    }
)
LONGEST_FAILURE = 256
TOO_LONG = f"the report is longer than {MAX_BYTES} bytes"
NAMES_CLASS = "its pod names a RuntimeClass, so it shows nothing of the node"
DAMAGED = "the report is damaged, or of another version"


@dataclass(frozen=True, slots=True)
class NodeFactsPod:
    """A pod that reports node facts: its node, the UID of its DaemonSet, and its newest report.

    ``failure`` is what NVIDIA's runtime said, where it is the default and could not create the pod's containers.
    ``created`` is the time of the pod's creation in RFC 3339: of two pods on a node the newer one counts.
    ``unreadable`` says why the text in the place of the report is none, or not one of the node.
    """

    node: str
    owner: str
    facts: NodeFacts | None = None
    failure: str = ""
    created: str = ""
    unreadable: str = ""


def is_facts_object(item: Mapping[str, Any]) -> bool:
    """Say whether a pod or DaemonSet has the label of node facts."""
    return mapping(metadata(item).get("labels")).get(LABEL) == NAME


def project_facts_pod(item: Mapping[str, Any]) -> NodeFactsPod:
    """Keep the report of a pod. A pod with a RuntimeClass shows nothing of the default runtime, nor of the node."""
    spec, status = mapping(item.get("spec")), mapping(item.get("status"))
    owner = controlling_owner(item)
    uid = text(owner.get("uid")) if owner.get("kind") == "DaemonSet" else ""
    node = text(spec.get("nodeName"))
    if spec.get("runtimeClassName"):
        return NodeFactsPod(node, uid, unreadable=NAMES_CLASS if _unreadable(status) else "")
    # Equal texts are one object: the pods of a rollout have few different times.
    created = intern(text(metadata(item).get("creationTimestamp")))
    newest = _newest(status)
    unreadable = "" if newest else _unreadable(status)
    return NodeFactsPod(node, intern(uid), newest, intern(_failure(status)), created, unreadable)


def project_facts_daemon_set(item: Mapping[str, Any]) -> str:
    """Keep a DaemonSet's UID."""
    return text(metadata(item).get("uid"))


def _newest(status: Mapping[str, Any]) -> NodeFacts | None:
    """Return the newest report, with what the init container alone can show."""
    first = _report(status.get("initContainerStatuses"), REPORT)
    later = _report(status.get("containerStatuses"), FOLLOW)
    if later is None or first is None:
        return first[1] if first else later[1] if later else None
    newest = later[1] if later[0] >= first[0] else first[1]
    return newest if newest is first[1] else newest.with_runtime(added=first[1].added)


def _report(statuses: object, name: str) -> tuple[str, NodeFacts] | None:
    """Return when a container ended, and its report. Times in RFC 3339 of one length can be compared as text."""
    for ended in _ends(statuses, name):
        found = NodeFacts.parse(text(ended.get("message"))[: MAX_BYTES + 1])
        if found:
            return text(ended.get("finishedAt")), found
    return None


def _unreadable(status: Mapping[str, Any]) -> str:
    ends = (*_ends(status.get("initContainerStatuses"), REPORT), *_ends(status.get("containerStatuses"), FOLLOW))
    found = [message for ended in ends if (message := text(ended.get("message")))]
    if any(len(message) > MAX_BYTES for message in found):
        return TOO_LONG
    return DAMAGED if found else ""


def _ends(statuses: object, name: str) -> Iterator[Mapping[str, Any]]:
    status = next((item for item in items(statuses) if item.get("name") == name), EMPTY)
    for state in ("state", "lastState"):
        ended = mapping(mapping(status.get(state)).get("terminated"))
        if ended.get("exitCode") == 0:
            yield ended


def _failure(status: Mapping[str, Any]) -> str:
    for item in (*items(status.get("initContainerStatuses")), *items(status.get("containerStatuses"))):
        for shown in _failing(mapping(item.get("state")), mapping(item.get("lastState"))):
            message = text(shown.get("message"))
            found = failure_of(message, text(shown.get("reason"))) if message else None
            if found and found.kind in DEFAULT_RUNTIME_FAILURES:
                return found.subject[:LONGEST_FAILURE] or found.kind
    return ""


def _failing(state: Mapping[str, Any], last: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the states of a container that does not start; what failed before a start that worked is past."""
    if "running" in state or mapping(state.get("terminated")).get("exitCode") == 0:
        return
    yield from (mapping(state.get("waiting")), mapping(state.get("terminated")), mapping(last.get("terminated")))
