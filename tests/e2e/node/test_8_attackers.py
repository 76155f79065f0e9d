"""Users who may create pods are not trusted: a pod that only looks like NVIDIA's plugin gets nothing from us."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from e2e.kubectl import Kubectl, as_list
from e2e.namespaces import ENABLED
from e2e.node.images import CUDA_PROBE
from e2e.node.kubernetes import NODE
from e2e.node.plugin import CONTAINER, NAMESPACE, Plugin
from e2e.node.workload import gpus_opened, staying_probe, what_it_sees
from e2e.pods import decision_of, runtime_class_of
from e2e.processes import until
from e2e.situations import only_node

pytestmark = pytest.mark.usefixtures("webhook")

MALLORY = "mallory"
# What makes a pod the plugin of NVIDIA's chart, but not one that a DaemonSet of this cluster takes for its own.
LABELS = {"app.kubernetes.io/name": "nvidia-device-plugin", "example.com/attack": "yes"}
UNTRUSTED = "leave/creator-untrusted"

# An image like CUDA's: under NVIDIA's runtime it would see every GPU, and privileged every device.
SPEC = {"containers": [staying_probe(CONTAINER, image=CUDA_PROBE)], "affinity": only_node(NODE)}


def a_pod(namespace: str, **metadata: object) -> dict[str, Any]:
    """Return a pod that looks like the plugin's."""
    whole = {"namespace": namespace, "generateName": "attack-", "labels": LABELS, **metadata}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": whole, "spec": SPEC}


def owned(plugin: Plugin) -> dict[str, Any]:
    """Return a pod whose author claims that the plugin's DaemonSet made it."""
    owner = {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": plugin.release.daemon_set, "controller": True}
    return a_pod(NAMESPACE, ownerReferences=[{**owner, "uid": plugin.daemon_set["metadata"]["uid"]}])


def controller(kind: str, namespace: str) -> dict[str, Any]:
    """Return a controller that makes such pods."""
    metadata = {"namespace": namespace, "generateName": "attack-"}
    template = {"metadata": {"labels": LABELS}, "spec": SPEC}
    spec = {"selector": {"matchLabels": LABELS}, "template": template}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": spec}


# What is created, and the decision that its pod carries; none where the API server does not ask us at all.
ATTACKS: Mapping[str, tuple[Callable[[Plugin], dict[str, Any]], str | None]] = {
    "a user": (lambda _: a_pod(NAMESPACE), UNTRUSTED),
    "a user who names the owner": (owned, UNTRUSTED),
    "a Deployment": (lambda _: controller("Deployment", NAMESPACE), UNTRUSTED),
    "a DaemonSet elsewhere": (lambda _: controller("DaemonSet", ENABLED), None),
}


@pytest.fixture(scope="module")
def may_edit(kubectl: Kubectl) -> Iterator[None]:
    """Give a user the usual rights of workload owners in two namespaces."""
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": MALLORY}
    bindings = [
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": MALLORY, "namespace": namespace},
            "roleRef": role,
            "subjects": [subject],
        }
        for namespace in (NAMESPACE, ENABLED)
    ]
    kubectl.apply(bindings)
    yield
    kubectl.run("delete", "-f", "-", stdin=as_list(bindings))


@pytest.mark.usefixtures("may_edit")
@pytest.mark.parametrize(("attack", "decision"), ATTACKS.values(), ids=ATTACKS)
def test_a_pod_that_looks_like_the_plugin_gets_nothing(
    kubectl: Kubectl, plugin: Plugin, attack: Callable[[Plugin], dict[str, Any]], decision: str | None
) -> None:
    """It runs as it was written, without privilege, and finds neither library nor device."""
    created = kubectl.create(attack(plugin), f"--as={MALLORY}").object
    found = made_by(kubectl, created)
    assert decision_of(found) == decision
    assert runtime_class_of(found) is None
    assert [one.get("securityContext") for one in found["spec"]["containers"]] == [None]
    assert not [volume for volume in found["spec"].get("volumes", ()) if "hostPath" in volume]
    seen = what_it_sees(kubectl, found, CONTAINER)
    assert (seen["nvml"], gpus_opened(seen)) == (None, [])
    remove(kubectl, created)


def made_by(kubectl: Kubectl, created: Mapping[str, Any]) -> dict[str, Any]:
    """Return the pod that was created, or the one that its controller makes."""
    if created["kind"] == "Pod":
        return dict(created)
    namespace = created["metadata"]["namespace"]
    selector = ("--selector=example.com/attack", f"--namespace={namespace}")
    pods: list[dict[str, Any]] = until(
        lambda: kubectl.get("pods", *selector)["items"], f"a pod of {created['kind']} in {namespace}"
    )
    return pods[0]


def remove(kubectl: Kubectl, created: Mapping[str, Any]) -> None:
    """Remove what was created, with its pod."""
    metadata = created["metadata"]
    which = (f"{created['kind']}/{metadata['name']}", f"--namespace={metadata['namespace']}")
    kubectl.run("delete", *which, "--cascade=foreground")
