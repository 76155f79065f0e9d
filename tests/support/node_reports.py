"""Reports of node facts as objects of the API: the DaemonSet, its pods, and the status that a kubelet writes."""

from typing import Any

from webhook.node_facts.facts_report import NodeFacts
from webhook.view.node_facts_pods import LABEL, NAME

Json = dict[str, Any]
HOME = "gpu-injector"
CREATED = "2026-11-27T10:00:00Z"


def report_status(message: str, *, finished: str = CREATED) -> Json:
    """Return the status of a pod whose init container ended with a message."""
    ended = {"exitCode": 0, "finishedAt": finished, "message": message}
    return {"phase": "Running", "initContainerStatuses": [{"name": "report", "state": {"terminated": ended}}]}


def facts_daemon_set(namespace: str = HOME, uid: str = "") -> Json:
    """Return the DaemonSet of node facts, or one with its name and label elsewhere."""
    metadata = {"name": NAME, "namespace": namespace, "labels": {LABEL: NAME}, **({"uid": uid} if uid else {})}
    return {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": metadata, "spec": {}}


def facts_pod(node: str, facts: NodeFacts | str, owner: str, *, namespace: str = HOME, name: str = "") -> Json:
    """Return a pod of node facts with its report; ``owner`` is the UID of its DaemonSet."""
    reference = {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": NAME, "uid": owner, "controller": True}
    metadata = {
        "name": name or f"{NAME}-{node}",
        "namespace": namespace,
        "labels": {LABEL: NAME},
        "ownerReferences": [reference],
        "creationTimestamp": CREATED,
    }
    message = facts if isinstance(facts, str) else facts.to_text()
    spec = {"nodeName": node, "containers": [{"name": "follow"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": report_status(message)}
