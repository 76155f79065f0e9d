"""What tenants and kubelets can forge about plugin pods, with the rights that a real API server gives them.

The role is ``edit``, and the credential of a kubelet; the API server has NodeRestriction, as kubeadm sets it up.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from e2e.blocked_plugins import (
    BLOCKED,
    FORGED,
    VOLUME,
    WORKING,
    block,
    event,
    event_time,
    fresh_webhook,
    is_going,
    patched_plugins,
    stored,
    texts,
    write_status,
)
from e2e.control_plane import ControlPlane
from e2e.device_plugins import NAMESPACE
from e2e.installation import Webhook
from e2e.kubectl import Kubectl, KubectlError
from e2e.namespaces import ENABLED
from e2e.processes import until
from e2e.service_accounts import editor_of

MALLORY = "mallory"
AT_ONCE = ("--force", "--grace-period=0")
KUBELET = (f"--as=system:node:{BLOCKED}", "--as-group=system:nodes")


@pytest.fixture
def webhook(plane: ControlPlane, webhook_port: int) -> Iterator[Webhook]:
    """Run the webhook."""
    with fresh_webhook(plane, webhook_port) as running:
        yield running


@pytest.fixture
def patched(webhook: Webhook, kubectl: Kubectl) -> Iterator[dict[str, dict[str, Any]]]:  # noqa: ARG001  it patches them
    """Have plugin pods with our patch."""
    with patched_plugins(kubectl) as pods:
        yield pods


@pytest.fixture
def mallory(plane: ControlPlane) -> Iterator[Kubectl]:
    """Have a ServiceAccount with the role ``edit`` in a tenant's namespace; return its kubectl."""
    with editor_of(ENABLED, MALLORY, plane) as found:
        yield found


def test_what_a_tenant_forges_has_no_effect(
    webhook: Webhook, patched: dict[str, dict[str, Any]], kubectl: Kubectl, mallory: Kubectl
) -> None:
    """Events with and without ``eventTime``, pods that look like the plugin's, and forged owner references."""
    pod = patched[WORKING]
    for one in patched.values():
        mallory.create(event(one, ENABLED, **event_time()))
    assert mallory.attempt_create(event(pod, ENABLED)).code != 0
    assert mallory.attempt_create(event(pod, NAMESPACE, **event_time())).code != 0
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
    assert mallory.attempt_create(in_namespace(lookalike, NAMESPACE)).code != 0
    # The cluster itself deletes a pod whose owner is of another namespace; one without an owner stays.
    del lookalike["metadata"]["ownerReferences"]
    mallory.create(in_namespace(lookalike, ENABLED) | {"metadata": {**lookalike["metadata"], "name": "orphan"}})
    block(kubectl, kubectl.get("pod", "orphan", "--namespace", ENABLED))
    # The webhook has made two rounds since: a setback of another pod is stored.
    block(kubectl, patched[BLOCKED])
    webhook.process.wait_until(lambda: stored(kubectl), "stores the real setback")
    until(lambda: is_going(kubectl, BLOCKED, patched[BLOCKED]), "the blocked pod is deleted")
    assert [found["key"][2] for found in stored(kubectl)] == [BLOCKED]
    assert FORGED not in texts(kubectl)
    assert not is_going(kubectl, WORKING, pod)
    assert "deletionTimestamp" not in kubectl.get("pod", "orphan", "--namespace", ENABLED)["metadata"]
    kubectl.run("delete", "pods", "orphan", "lookalike", "--namespace", ENABLED, "--ignore-not-found", *AT_ONCE)


def test_a_kubelet_gives_up_its_own_pods_only(
    webhook: Webhook, patched: dict[str, dict[str, Any]], kubectl: Kubectl
) -> None:
    """It may write Events of any source, and mirror pods; neither reaches the pod of another node."""
    pod = patched[WORKING]
    kubectl.create(event(pod, NAMESPACE, message=FORGED), *KUBELET)
    with pytest.raises(KubectlError, match="forbidden"):
        block(kubectl, pod, *KUBELET)
    with pytest.raises(KubectlError, match="forbidden"):
        kubectl.run("delete", "pod", pod["metadata"]["name"], "--namespace", NAMESPACE, "--wait=false", *KUBELET)
    node = kubectl.get("node", WORKING)
    node["status"]["nodeInfo"]["bootID"] = "forged"
    with pytest.raises(KubectlError, match="forbidden"):
        write_status(kubectl, f"nodes/{WORKING}", node, *KUBELET)
    owned = mirror(pod, pod["metadata"]["ownerReferences"])
    with pytest.raises(KubectlError, match="owner reference set to itself"):
        kubectl.create(owned, *KUBELET)
    itself = {"apiVersion": "v1", "kind": "Node", "name": BLOCKED, "controller": True}
    itself["uid"] = kubectl.get("node", BLOCKED)["metadata"]["uid"]
    lookalike = kubectl.create(mirror(pod, [itself]), *KUBELET).object
    block(kubectl, lookalike, *KUBELET)
    # Its own pod comes last: the webhook looks at all of them at a time.
    block(kubectl, patched[BLOCKED], *KUBELET)
    webhook.process.wait_until(lambda: stored(kubectl), "stores a setback")
    until(lambda: is_going(kubectl, BLOCKED, patched[BLOCKED]), "the blocked pod is deleted")
    (found,) = stored(kubectl)
    assert (found["key"][2], found["pod"]) == (BLOCKED, patched[BLOCKED]["metadata"]["uid"])
    assert FORGED not in texts(kubectl)
    assert not is_going(kubectl, WORKING, pod)
    left = kubectl.get("pod", "mirror", "--namespace", NAMESPACE)
    assert "deletionTimestamp" not in left["metadata"]
    kubectl.run("delete", "pod", "mirror", "--namespace", NAMESPACE, *AT_ONCE)


def mirror(pod: dict[str, Any], owners: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a pod like one of the plugin's, which a kubelet claims to have from a file on its node."""
    marks = {"kubernetes.io/config.mirror": "x", "gpu-injector.io/decision": "bootstrap/nvml"}
    volume = {"name": VOLUME, "hostPath": {"path": "/x", "type": "File"}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "mirror",
            "namespace": NAMESPACE,
            # Not the one by which the tests find the plugin's pods.
            "labels": {"name": pod["metadata"]["labels"]["name"]},
            "annotations": marks,
            "ownerReferences": owners,
        },
        "spec": {
            "nodeName": BLOCKED,
            "containers": [{"name": "nvidia-device-plugin-ctr", "image": "x"}],
            "volumes": [volume],
            "tolerations": [{"operator": "Exists"}],
        },
    }


def in_namespace(item: dict[str, Any], namespace: str) -> dict[str, Any]:
    """Return an object for another namespace."""
    return {**item, "metadata": {**item["metadata"], "namespace": namespace}}
