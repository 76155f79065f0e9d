"""Plugin pods with our patch on nodes without a kubelet: how a test blocks them, and what the webhook stores of it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import yaml

from e2e.control_plane import ControlPlane
from e2e.device_plugins import NAMESPACE, pods_by_node
from e2e.gpu_nodes import RUNC, Machine, gpu_nodes
from e2e.installation import MANIFEST, NAME, Webhook, running_webhook
from e2e.kubectl import Kubectl
from e2e.pods import decision_of

PRESENT = {"nvidia.com/gpu.present": "true"}
POOLS = {
    "setback": [
        Machine(RUNC, "missed", labels=PRESENT, gpus=""),
        Machine(RUNC, "missed", labels=PRESENT, gpus="1"),
    ]
}
BLOCKED, WORKING = "setback-1", "setback-2"
VOLUME = "gpu-injector-nvml"
FORGED = 'hostPath type check failed: volume "gpu-injector-nvml" (forged)'
MISSING = f'MountVolume.SetUp failed for volume "{VOLUME}" : hostPath type check failed: /x is not a file'


@contextmanager
def fresh_webhook(plane: ControlPlane, port: int) -> Iterator[Webhook]:
    """Run the webhook before the plugin's pods are created: they get our patch.

    It remembers no failure of another test: the nodes have the same names.
    """
    name = f"{NAME}-state"
    # Another test may have deleted it.
    documents = yaml.safe_load_all(MANIFEST.read_text())
    plane.kubectl.apply(item for item in documents if item and item["metadata"]["name"] == name)
    state = ("configmap", name, "--namespace", NAME)
    plane.kubectl.run("patch", *state, "--type=merge", "--patch", '{"data": null}')
    with running_webhook(plane, port) as running:
        running.process.wait_until(lambda: running.read("/readyz") == b"ok\n", "ready")
        yield running


@contextmanager
def patched_plugins(kubectl: Kubectl) -> Iterator[dict[str, dict[str, Any]]]:
    """Have two plugin pods with our patch, both Running: by node."""
    with gpu_nodes(kubectl, POOLS):
        pods = pods_by_node(kubectl)
        assert {decision_of(pod) for pod in pods.values()} == {"bootstrap/nvml"}
        yield pods


def block(kubectl: Kubectl, pod: dict[str, Any], *as_whom: str) -> None:
    """Report a pod as its kubelet would that has waited ten minutes for its volume."""
    since = (datetime.now(UTC) - timedelta(minutes=10)).strftime("%Y-%m-%dT%H:%M:%SZ")
    metadata = {key: value for key, value in pod["metadata"].items() if key != "resourceVersion"}
    waiting = {"waiting": {"reason": "ContainerCreating"}}
    container = {"name": "nvidia-device-plugin-ctr", "ready": False, "restartCount": 0, "image": "", "imageID": ""}
    status = {
        "phase": "Pending",
        "conditions": [
            {"type": kind, "status": "False", "lastTransitionTime": since}
            for kind in ("Ready", "PodReadyToStartContainers")
        ],
        "containerStatuses": [{**container, "state": waiting}],
    }
    replaced = {**pod, "metadata": metadata, "status": status}
    write_status(kubectl, f"namespaces/{metadata['namespace']}/pods/{metadata['name']}", replaced, *as_whom)


def write_status(kubectl: Kubectl, path: str, item: dict[str, Any], *as_whom: str) -> None:
    """Write the status of an object of the core API; nothing is read before."""
    kubectl.run("replace", f"--raw=/api/v1/{path}/status", "-f", "-", *as_whom, stdin=json.dumps(item))


def event(pod: dict[str, Any], namespace: str, **changes: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return an Event about a pod."""
    about = {"kind": "Pod", "namespace": NAMESPACE, "name": pod["metadata"]["name"], "uid": pod["metadata"]["uid"]}
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": "forged-", "namespace": namespace},
        "involvedObject": about,
        "reason": "FailedMount",
        "message": FORGED,
        "type": "Warning",
        "source": {"component": "kubelet"},
        **changes,
    }


def stored(kubectl: Kubectl) -> list[dict[str, Any]]:
    """Return the setbacks that are stored."""
    found = kubectl.get("configmap", f"{NAME}-state", "--namespace", NAME)
    return list(json.loads((found.get("data") or {}).get("state.json", "{}")).get("setbacks", []))


def texts(kubectl: Kubectl) -> list[str]:
    """Return the stored texts of nodes."""
    found = kubectl.get("configmap", f"{NAME}-state", "--namespace", NAME)
    return list(json.loads(found["data"]["state.json"])["texts"])


def is_going(kubectl: Kubectl, node: str, pod: dict[str, Any]) -> bool:
    """Say whether a pod of a node was deleted: without a kubelet it stays, with a time."""
    now = pods_by_node(kubectl).get(node)
    return now is None or now["metadata"]["uid"] != pod["metadata"]["uid"] or "deletionTimestamp" in now["metadata"]


def event_time() -> dict[str, str]:
    """Return the fields that let the API server accept an Event about an object of another namespace."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {"eventTime": now, "reportingComponent": "kubelet", "reportingInstance": "x", "action": "Mount"}
