"""What tenants and kubelets can forge of node facts, with the rights that a real API server gives them.

A report that the default runtime adds GPUs changes the decision for GPU pods on its node: a forged one would be seen.
The role is ``edit``, and the credential of another node's kubelet.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from support.node_reports import report_status

from e2e.blocked_plugins import write_status
from e2e.control_plane import ControlPlane
from e2e.gpu_nodes import NVIDIA, Machine, gpu_nodes
from e2e.installation import NAME, Webhook, running_webhook
from e2e.kubectl import Kubectl, KubectlError, as_list
from e2e.namespaces import ENABLED
from e2e.node_facts_objects import daemon_set, pod_spec, rights
from e2e.pods import decision_of, pod
from e2e.processes import until
from e2e.service_accounts import editor_of
from webhook.node_facts.facts_report import MAX_BYTES, NodeFacts
from webhook.view.node_facts_pods import LABEL
from webhook.view.node_facts_pods import NAME as FACTS

Json = dict[str, Any]
MALLORY = "mallory"
TARGET, MARKER = "facts-1", "facts-2"
POOLS = {"facts": [Machine(NVIDIA), Machine(NVIDIA)]}
BOOT_IDS = {TARGET: "b-1", MARKER: "b-2"}
AT_ONCE = ("--force", "--grace-period=0")
OTHER_KUBELET = (f"--as=system:node:{MARKER}", "--as-group=system:nodes")
HONEST, CHANGED = "inject/runtime-class", "leave/platform-provides"


@pytest.fixture
def webhook(plane: ControlPlane, kubectl: Kubectl, webhook_port: int) -> Iterator[Webhook]:
    """Run the webhook with node facts."""
    kubectl.apply(rights())
    with running_webhook(plane, webhook_port, "--node-facts") as running:
        running.process.wait_until(lambda: running.read("/readyz") == b"ok\n", "ready")
        yield running
    kubectl.run("delete", "-f", "-", stdin=as_list(rights()))


@pytest.fixture
def pods(webhook: Webhook, kubectl: Kubectl) -> Iterator[Mapping[str, Json]]:  # noqa: ARG001  it watches them
    """Have two nodes with their pods of node facts, bound to them; without a report."""
    with gpu_nodes(kubectl, POOLS):
        for node, boot_id in BOOT_IDS.items():
            change = json.dumps({"status": {"nodeInfo": {"bootID": boot_id}}})
            kubectl.run("patch", "node", node, "--subresource=status", "--type=merge", "--patch", change)
        with placed(kubectl, NAME) as found:
            yield found


@contextmanager
def placed(kubectl: Kubectl, namespace: str) -> Iterator[Mapping[str, Json]]:
    """Have the DaemonSet in a namespace, and its pods bound to their nodes, until the context ends: by node."""
    place = ("--namespace", namespace)
    kubectl.create(daemon_set(namespace))
    try:
        for node, item in until(lambda: _created(kubectl, namespace), f"pods of {FACTS} in {namespace}").items():
            metadata = {"name": item["metadata"]["name"], "namespace": namespace}
            target = {"apiVersion": "v1", "kind": "Node", "name": node}
            binding = {"apiVersion": "v1", "kind": "Binding", "metadata": metadata, "target": target}
            kubectl.run("create", "-f", "-", stdin=as_list([binding]))
        yield _created(kubectl, namespace)
    finally:
        kubectl.run("delete", "daemonset", FACTS, *place, "--cascade=orphan")
        kubectl.run("delete", "pods", "--selector", f"{LABEL}={FACTS}", *place, *AT_ONCE)


def _created(kubectl: Kubectl, namespace: str) -> dict[str, Json]:
    """Return the DaemonSet's pods by node; none before all of them exist."""
    listed = kubectl.get("pods", "--namespace", namespace, "--selector", f"{LABEL}={FACTS}")["items"]
    found = {_target(item): item for item in listed if "affinity" in item["spec"]}
    return found if found.keys() == BOOT_IDS.keys() else {}


def _target(item: Json) -> str:
    affinity = item["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    name: str = affinity["nodeSelectorTerms"][0]["matchFields"][0]["values"][0]
    return name


@pytest.fixture
def mallory(plane: ControlPlane) -> Iterator[Kubectl]:
    """Have a ServiceAccount with the role ``edit`` in a tenant's namespace; return its kubectl."""
    with editor_of(ENABLED, MALLORY, plane) as found:
        yield found


def report(kubectl: Kubectl, item: Json, message: str, *as_whom: str) -> None:
    """Write the status of a pod with a report, as a kubelet does."""
    metadata = {key: value for key, value in item["metadata"].items() if key != "resourceVersion"}
    status = report_status(message)
    for one in status["initContainerStatuses"]:
        one |= {"ready": True, "restartCount": 0, "image": "", "imageID": ""}
    path = f"namespaces/{metadata['namespace']}/pods/{metadata['name']}"
    write_status(kubectl, path, {**item, "metadata": metadata, "status": status}, *as_whom)


def lie(node: str = TARGET, **facts: Any) -> str:  # noqa: ANN401  of NodeFacts
    """Return a report that changes the decision if it counts."""
    return NodeFacts(**{"boot_id": BOOT_IDS[node], "gpus": {"nvidia": 2}, "added": True, **facts}).to_text()


def decided(kubectl: Kubectl, node: str) -> str | None:
    """Return the decision for a GPU pod that selects a node."""
    wanted = pod(ENABLED, nodeSelector={"kubernetes.io/hostname": node})
    return decision_of(kubectl.create(wanted, "--dry-run=server").object)


def assert_unchanged(kubectl: Kubectl, pods: Mapping[str, Json]) -> None:
    """Assert that the decision for the node is the honest one once the webhook has seen what was written before.

    Changes of one list arrive in order: the report of the other node, which counts, is written last, and taken back.
    """
    report(kubectl, pods[MARKER], lie(MARKER))
    until(lambda: decided(kubectl, MARKER) == CHANGED, "the report of the other node counts")
    assert decided(kubectl, TARGET) == HONEST
    report(kubectl, pods[MARKER], lie(MARKER, added=None))
    until(lambda: decided(kubectl, MARKER) == HONEST, "the report of the other node is taken back")


def test_what_a_tenant_forges_has_no_effect(pods: Mapping[str, Json], kubectl: Kubectl, mallory: Kubectl) -> None:
    """Pods with the labels that name a node, forged owner references, and a DaemonSet of the same name."""
    until(lambda: decided(kubectl, TARGET) == HONEST, "the webhook decides")
    labels, owners = {LABEL: FACTS}, pods[TARGET]["metadata"]["ownerReferences"]
    metadata = {"name": "lookalike", "namespace": ENABLED, "labels": labels}
    lookalike = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {**pod_spec(), "nodeName": TARGET}}
    elsewhere = {**lookalike, "metadata": {**metadata, "namespace": NAME, "ownerReferences": owners}}
    assert mallory.attempt_create(elsewhere).code != 0
    created = mallory.create(lookalike).object
    for item in (created, pods[TARGET]):
        with pytest.raises(KubectlError, match="forbidden"):
            report(mallory, item, lie())
    # What runs in a tenant's pod may end with any message, which the kubelet writes into its status.
    report(kubectl, created, lie())
    # The garbage collector deletes a pod whose owner is of another namespace; until then it has the owner's UID.
    owned = {**lookalike, "metadata": {**metadata, "name": "owned", "ownerReferences": owners}}
    mallory.create(owned)
    assert_unchanged(kubectl, pods)
    # The DaemonSet's controller would adopt them.
    kubectl.run("delete", "pods", "lookalike", "owned", "--namespace", ENABLED, "--ignore-not-found", *AT_ONCE)
    # A tenant may create the DaemonSet; its controller binds the pods to any node.
    assert mallory.succeeds("create", "--dry-run=server", "-f", "-", stdin=json.dumps(daemon_set(ENABLED)))
    with placed(kubectl, ENABLED) as theirs:
        report(kubectl, theirs[TARGET], lie())
        assert_unchanged(kubectl, pods)


FALSE = {
    "another boot": lie(boot_id="b-0"),
    "no boot ID": lie(boot_id=""),
    "too long": lie() + " " * MAX_BYTES,
    "no JSON": "{" * MAX_BYTES,
    "an older version": lie().replace('"version":1', '"version":0'),
    "a newer version": lie().replace('"version":1', '"version":2'),
    "a false count": lie().replace('"nvidia":2', '"nvidia":-2'),
}


def test_reports_that_do_not_count(pods: Mapping[str, Json], kubectl: Kubectl) -> None:
    """They are in the status of the true pod; a true report in the same place changes the decision."""
    until(lambda: decided(kubectl, TARGET) == HONEST, "the webhook decides")
    for message in FALSE.values():
        report(kubectl, pods[TARGET], message)
        assert_unchanged(kubectl, pods)
    report(kubectl, pods[TARGET], lie())
    until(lambda: decided(kubectl, TARGET) == CHANGED, "the true report counts")


def test_a_kubelet_reports_its_own_node_only(pods: Mapping[str, Json], kubectl: Kubectl) -> None:
    """NodeRestriction refuses the status of another node's pod."""
    with pytest.raises(KubectlError, match="forbidden"):
        report(kubectl, pods[TARGET], lie(), *OTHER_KUBELET)
    report(kubectl, pods[MARKER], lie(MARKER), *OTHER_KUBELET)
    until(lambda: decided(kubectl, MARKER) == CHANGED, "the report of its own node counts")
