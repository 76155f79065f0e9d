"""A plugin pod that our patch blocks is recorded and deleted once, nothing else; and what users with rights can forge.

API server, DaemonSet controller, RBAC and the admission policy are real; the tests act as kubelets.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from e2e.control_plane import ControlPlane
from e2e.device_plugins import NAMESPACE, pods_by_node
from e2e.gpu_nodes import RUNC, Machine, gpu_nodes
from e2e.installation import NAME, Webhook, running_webhook
from e2e.kubectl import Kubectl, KubectlError, as_list
from e2e.namespaces import ENABLED
from e2e.pods import decision_of
from e2e.processes import until

PRESENT = {"nvidia.com/gpu.present": "true"}
POOLS = {
    "setback": [
        Machine(RUNC, "missed", labels=PRESENT, gpus=""),
        Machine(RUNC, "missed", labels=PRESENT, gpus="1"),
    ]
}
BLOCKED, WORKING = "setback-1", "setback-2"
MALLORY = "mallory"
VOLUME = "gpu-injector-nvml"
AT_ONCE = ("--force", "--grace-period=0")
MISSING = f'MountVolume.SetUp failed for volume "{VOLUME}" : hostPath type check failed: /x is not a file'
LATER = 'hostPath type check failed: volume "gpu-injector-nvml" (forged)'


@pytest.fixture
def webhook(plane: ControlPlane, kubectl: Kubectl, webhook_port: int) -> Iterator[Webhook]:
    """Run the webhook before the plugin's pods are created: they get our patch.

    It remembers no failure of another test: the nodes have the same names.
    """
    kubectl.run("patch", "configmap", f"{NAME}-state", "--namespace", NAME, "--type=merge", "--patch", '{"data": null}')
    with running_webhook(plane, webhook_port) as running:
        running.process.wait_until(lambda: running.read("/readyz") == b"ok\n", "ready")
        yield running


@pytest.fixture
def patched(webhook: Webhook, kubectl: Kubectl) -> Iterator[dict[str, dict[str, Any]]]:
    """Have two plugin pods with our patch, both Running: by node."""
    with gpu_nodes(kubectl, POOLS):
        pods = pods_by_node(kubectl)
        assert {decision_of(pod) for pod in pods.values()} == {"bootstrap/nvml"}
        assert webhook.process.process.poll() is None
        yield pods


@pytest.fixture
def mallory(plane: ControlPlane, kubectl: Kubectl) -> Iterator[Kubectl]:
    """Have a ServiceAccount with the role ``edit`` in a tenant's namespace; return its kubectl."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": MALLORY, "namespace": ENABLED}}
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": MALLORY, "namespace": ENABLED},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"},
        "subjects": [{"kind": "ServiceAccount", "name": MALLORY, "namespace": ENABLED}],
    }
    kubectl.apply([account, binding])
    yield Kubectl(kubectl.program, plane.kubeconfig_of(MALLORY, ENABLED))
    kubectl.run("delete", "-f", "-", stdin=as_list([account, binding]))


def block(kubectl: Kubectl, pod: dict[str, Any]) -> None:
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
    kubectl.run("replace", "--subresource=status", "-f", "-", stdin=json.dumps(replaced))


def event(pod: dict[str, Any], namespace: str, **changes: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return an Event about a pod."""
    about = {"kind": "Pod", "namespace": NAMESPACE, "name": pod["metadata"]["name"], "uid": pod["metadata"]["uid"]}
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": "forged-", "namespace": namespace},
        "involvedObject": about,
        "reason": "FailedMount",
        "message": LATER,
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


def test_a_blocked_pod_is_noted_and_deleted_once(
    webhook: Webhook, patched: dict[str, dict[str, Any]], kubectl: Kubectl, mallory: Kubectl
) -> None:
    """The one that is blocked, not the one that runs; the text is the kubelet's, not the tenant's."""
    pod = patched[BLOCKED]
    mallory.create(event(pod, ENABLED, **event_time()))
    kubectl.create(event(pod, NAMESPACE, message=MISSING))
    block(kubectl, pod)
    webhook.process.wait_until(lambda: stored(kubectl), "stores a setback")
    until(lambda: is_going(kubectl, BLOCKED, pod), "the blocked pod is deleted")
    (found,) = stored(kubectl)
    assert found["key"] == [NAMESPACE, "plugin-missed", BLOCKED, "nvml"]
    assert (found["pod"], found["released"]) == (pod["metadata"]["uid"], True)
    assert texts(kubectl) == [MISSING]
    assert not is_going(kubectl, WORKING, patched[WORKING])
    webhook.process.wait_until(lambda: webhook.metric("gpu_injector_setbacks", kind="blocked") == 1, "counts it")
    assert webhook.metric("gpu_injector_releases_total") == 1
    assert webhook.metric("gpu_injector_leader") == 1
    described = until(lambda: described_failure(kubectl), "an Event on the DaemonSet")
    assert MISSING in described


def test_what_a_tenant_forges_has_no_effect(
    webhook: Webhook, patched: dict[str, dict[str, Any]], kubectl: Kubectl, mallory: Kubectl
) -> None:
    """Events with and without ``eventTime``, pods that look like the plugin's, and forged owner references."""
    pod = patched[WORKING]
    mallory.create(event(pod, ENABLED, **event_time()))
    assert not mallory.succeeds("create", "-f", "-", stdin=json.dumps(event(pod, ENABLED)))
    assert not mallory.succeeds("create", "-f", "-", stdin=json.dumps(event(pod, NAMESPACE, **event_time())))
    lookalike: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "lookalike",
            "namespace": ENABLED,
            "labels": pod["metadata"]["labels"],
            "annotations": {"gpu-injector.io/decision": "bootstrap/nvml"},
            "ownerReferences": pod["metadata"]["ownerReferences"],
        },
        "spec": {**pod["spec"], "nodeName": WORKING},
    }
    for name in ("nodeName", "serviceAccountName", "serviceAccount", "priority", "priorityClassName"):
        lookalike["spec"].pop(name, None)
    plain = [volume for volume in lookalike["spec"]["volumes"] if not volume["name"].startswith("kube-api-access")]
    lookalike["spec"] |= {"volumes": plain, "containers": [{"name": "nvidia-device-plugin-ctr", "image": "x"}]}
    mallory.create(lookalike)
    assert not mallory.succeeds("create", "-f", "-", stdin=json.dumps(in_namespace(lookalike, NAMESPACE)))
    # The cluster itself deletes a pod whose owner is of another namespace; one without an owner stays.
    del lookalike["metadata"]["ownerReferences"]
    mallory.create(in_namespace(lookalike, ENABLED) | {"metadata": {**lookalike["metadata"], "name": "orphan"}})
    block(kubectl, kubectl.get("pod", "orphan", "--namespace", ENABLED))
    # The webhook has made two rounds since: a setback of another pod is stored.
    block(kubectl, patched[BLOCKED])
    webhook.process.wait_until(lambda: stored(kubectl), "stores the real setback")
    until(lambda: is_going(kubectl, BLOCKED, patched[BLOCKED]), "the blocked pod is deleted")
    assert [found["key"][2] for found in stored(kubectl)] == [BLOCKED]
    assert LATER not in texts(kubectl)
    assert not is_going(kubectl, WORKING, pod)
    assert "deletionTimestamp" not in kubectl.get("pod", "orphan", "--namespace", ENABLED)["metadata"]
    kubectl.run("delete", "pods", "orphan", "lookalike", "--namespace", ENABLED, "--ignore-not-found", *AT_ONCE)


def test_a_stolen_token_deletes_nothing_else(
    plane: ControlPlane, patched: dict[str, dict[str, Any]], kubectl: Kubectl
) -> None:
    """The policy refuses plugin pods that are Ready, pods without our patch, and pods without a DaemonSet."""
    thief = Kubectl(kubectl.program, plane.kubeconfig_of(NAME, NAME))
    plain = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "plain", "namespace": NAMESPACE},
        "spec": {"containers": [{"name": "main", "image": "registry.example.com/x:1"}]},
    }
    kubectl.create(plain)
    try:
        assert "its own patch only" in refusal(thief, "plain")
        kubectl.run("annotate", "pod", "plain", "--namespace", NAMESPACE, "gpu-injector.io/decision=bootstrap/nvml")
        assert "pods of DaemonSets only" in refusal(thief, "plain")
    finally:
        kubectl.run("delete", "pod", "plain", "--namespace", NAMESPACE, "--force", "--grace-period=0")
    assert "a pod that is Ready" in refusal(thief, patched[WORKING]["metadata"]["name"])
    with pytest.raises(KubectlError, match="forbidden"):
        thief.run("delete", "pods", "--all", "--namespace", ENABLED, "--dry-run=server")
    block(kubectl, patched[WORKING])
    name = patched[WORKING]["metadata"]["name"]
    thief.run("delete", "pod", name, "--namespace", NAMESPACE, "--dry-run=server", "--wait=false")


def refusal(thief: Kubectl, pod: str) -> str:
    """Return why a pod of kube-system may not be deleted."""
    printed = thief.attempt("delete", "pod", pod, "--namespace", NAMESPACE, "--dry-run=server", "--wait=false")
    assert printed.code != 0
    return printed.stderr


def is_going(kubectl: Kubectl, node: str, pod: dict[str, Any]) -> bool:
    """Say whether a pod of a node was deleted: without a kubelet it stays, with a time."""
    now = pods_by_node(kubectl).get(node)
    return now is None or now["metadata"]["uid"] != pod["metadata"]["uid"] or "deletionTimestamp" in now["metadata"]


def described_failure(kubectl: Kubectl) -> str:
    """Return what kubectl describes of the DaemonSet, empty without our Event."""
    described = kubectl.run("describe", "daemonset", "plugin-missed", "--namespace", NAMESPACE).stdout
    return described if "PatchFailed" in described else ""


def event_time() -> dict[str, str]:
    """Return the fields that let the API server accept an Event about an object of another namespace."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {"eventTime": now, "reportingComponent": "kubelet", "reportingInstance": "x", "action": "Mount"}


def in_namespace(item: dict[str, Any], namespace: str) -> dict[str, Any]:
    """Return an object for another namespace."""
    return {**item, "metadata": {**item["metadata"], "namespace": namespace}}
