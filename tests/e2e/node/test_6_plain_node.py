"""A cluster with a node that has no GPU: static manifests make pods of the plugin there too."""

from collections.abc import Iterator

import pytest

from e2e.kubectl import Kubectl
from e2e.node.cluster import Cluster
from e2e.node.kubernetes import NODE
from e2e.node.plugin import NAMESPACE, Given, Plugin, installed, static_release
from e2e.processes import until

pytestmark = pytest.mark.usefixtures("webhook")

PLAIN = "plain-node"
RECIPES = {"1.33": "bootstrap/nvml", "1.37": "bootstrap/runtime-class"}


@pytest.fixture
def plugin(on_node: Cluster) -> Iterator[Plugin]:
    """Run the plugin by NVIDIA's manifest: it is for every node."""
    with installed(on_node.kubectl, static_release(on_node.setup.plugins[0])) as plugin:
        yield plugin


@pytest.fixture
def plain_node(kubectl: Kubectl, plugin: Plugin) -> Iterator[str]:  # noqa: ARG001  its pod must go before its DaemonSet
    """Have a second node, which is no more than an object: pods are made for it, and none runs."""
    node = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": PLAIN, "labels": {"kubernetes.io/hostname": PLAIN}},
        "status": {
            "conditions": [{"type": "Ready", "status": "True"}],
            "allocatable": {"pods": "10", "cpu": "1", "memory": "1Gi"},
            "capacity": {"pods": "10", "cpu": "1", "memory": "1Gi"},
            "nodeInfo": kubectl.get(f"node/{NODE}")["status"]["nodeInfo"],
        },
    }
    kubectl.create(node)
    yield PLAIN
    kubectl.run("delete", "node", PLAIN)
    # No kubelet reports that their containers have ended.
    on_it = (f"--namespace={NAMESPACE}", f"--field-selector=spec.nodeName={PLAIN}")
    kubectl.run("delete", "pods", *on_it, "--force", "--grace-period=0")


def test_a_node_without_a_gpu_gets_its_pod_unpatched(on_node: Cluster, plugin: Plugin, plain_node: str) -> None:
    """One DaemonSet, two nodes: each pod gets what its own node calls for."""
    assert plugin.given_to(plugin.pod(plain_node)) == Given("leave/no-gpu-evidence")
    assert plugin.given_to(plugin.pod(NODE)).decision == RECIPES[on_node.setup.minor]
    until(lambda: on_node.gpus() == "2", "the node with GPUs offers them")
