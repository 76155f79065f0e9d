"""A report of node facts for each node of the large cluster: pods of a DaemonSet, with the status of a kubelet."""

from collections.abc import Iterator
from typing import Any

from e2e.control_plane import ControlPlane, wait_for_namespace
from e2e.installation import NAME
from e2e.node_facts_objects import daemon_set, pod_spec, rights
from support.node_reports import facts_pod

from webhook.node_facts.facts_report import NodeFacts

from .api_writes import Write

# While it has this finalizer, the DaemonSet is being deleted: its controller leaves it and its pods alone.
FINALIZER = "example.com/bench"


def boot_id(number: int) -> str:
    """Return the boot ID of a node."""
    return f"{number:08x}-0000-4000-8000-000000000000"


def report_pod(number: int, owner: str) -> dict[str, Any]:
    """Return the pod that reports for a node; ``owner`` is the UID of its DaemonSet."""
    pod = facts_pod(f"gpu-{number}", NodeFacts(boot_id(number), "amd64", {"nvidia": 8}, "570.86.15"), owner)
    # As long as the names of real pods.
    pod["metadata"]["name"] += f"-{number:05}"
    return pod


def prepare(plane: ControlPlane) -> str:
    """Grant the webhook its rights, and create the DaemonSet; return its UID."""
    plane.kubectl.apply(rights())
    wait_for_namespace(plane, NAME)
    item = daemon_set(NAME)
    item["metadata"]["finalizers"] = [FINALIZER]
    uid: str = plane.kubectl.create(item).object["metadata"]["uid"]
    plane.kubectl.run("delete", "daemonset", item["metadata"]["name"], f"--namespace={NAME}", "--wait=false")
    return uid


def written(count: int, owner: str) -> Iterator[Write]:
    """Yield the requests that create the pods, each followed by the one that writes its status."""
    path = f"/api/v1/namespaces/{NAME}/pods"
    for number in range(count):
        pod = report_pod(number, owner)
        status = pod.pop("status")
        for one in status["initContainerStatuses"]:
            one |= {"ready": True, "restartCount": 0, "image": "", "imageID": ""}
        pod["spec"] = {**pod_spec(), "nodeName": pod["spec"]["nodeName"]}
        yield Write("POST", path, pod)
        yield Write("PATCH", f"{path}/{pod['metadata']['name']}/status", {"status": status})
