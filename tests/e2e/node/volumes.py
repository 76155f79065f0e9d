"""A pod with a volume that the kubelet mounts on the host, and the processes that keep such a mount."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from e2e.kubectl import Kubectl
from e2e.namespaces import UNLABELLED
from e2e.node.workload import staying_probe, what_it_sees
from e2e.pods import pod

NAME = "main"


def pod_with_volume(kubectl: Kubectl) -> dict[str, Any]:
    """Run a pod with a volume in memory; it has started when this returns."""
    volume = {"name": "data", "emptyDir": {"medium": "Memory"}}
    container = {**staying_probe(NAME), "volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    created = kubectl.create(pod(UNLABELLED, container, volumes=[volume])).object
    what_it_sees(kubectl, created, NAME)
    return created


def remove_pod(kubectl: Kubectl, created: Mapping[str, Any]) -> None:
    """Remove a pod; the kubelet has unmounted its volumes when this returns."""
    kubectl.run("delete", "pod", created["metadata"]["name"], f"--namespace={UNLABELLED}", "--now")


def holders(created: Mapping[str, Any]) -> list[int]:
    """Return the processes that see a mount of the pod's volume, by their number on this machine."""
    mark = f"/pods/{created['metadata']['uid']}/volumes/"
    return [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/mountinfo") if mark in _mounts(path)]


def _mounts(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        # The process has ended.
        return ""
