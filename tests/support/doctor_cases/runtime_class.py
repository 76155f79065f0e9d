"""Clusters spoilt for the checks of the RuntimeClass."""

from support.doctor_cases.changes import second_node, unschedulable
from support.doctor_cases.table import spoils
from support.doctor_world import Cluster
from webhook.doctor.check import State


@spoils("class-exists", "every GPU node has the handler nvidia; with Helm: runtimeClass.create=true")
def no_class(cluster: Cluster) -> None:
    """As on EKS: nothing but the class is missing."""
    cluster.remove("RuntimeClass", "nvidia")


@spoils("class-exists", 'RuntimeClass "nvidia" does not exist', State.WARN)
def no_class_and_no_proof(cluster: Cluster) -> None:
    """Another GPU node does not report its handlers, so libraries may be what its pods need."""
    cluster.remove("RuntimeClass", "nvidia")
    second_node(cluster)["status"].pop("runtimeHandlers", None)


@spoils("class-proven", "made by the distribution on every cluster")
def class_of_k3s(cluster: Cluster) -> None:
    """It exists everywhere, and no node runs it."""
    cluster.of("RuntimeClass", "nvidia")["metadata"]["labels"] = {"objectset.rio.cattle.io/hash": "1"}
    cluster.blind_plugin()
    cluster.node["status"]["runtimeHandlers"] = [{"name": "runc"}]


@spoils("class-proven", 'no GPU node shows that it runs RuntimeClass "nvidia"', State.WARN)
def unproven_class(cluster: Cluster) -> None:
    """Nothing is reported."""
    cluster.blind_plugin()
    cluster.node["status"]["runtimeHandlers"] = []


@spoils("class-scheduling", "keeps its pods away from gpu-node")
def class_selects_others(cluster: Cluster) -> None:
    """Its nodeSelector fits no GPU node."""
    cluster.of("RuntimeClass", "nvidia")["scheduling"] = {"nodeSelector": {"accelerator": "nvidia"}}


@spoils("class-scheduling", "keeps its pods away from second", State.WARN)
def class_selects_some(cluster: Cluster) -> None:
    """Its nodeSelector fits one of two."""
    cluster.of("RuntimeClass", "nvidia")["scheduling"] = {"nodeSelector": {"kubernetes.io/hostname": "gpu-node"}}
    second_node(cluster)


@spoils("class-taints", "gpu-node is tainted, and 1 GPU pods wait", State.WARN)
def tainted(cluster: Cluster) -> None:
    """The pods do not tolerate the GPU nodes' taint."""
    cluster.node["spec"]["taints"] = [{"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}]
    unschedulable(cluster, "0/1 nodes are available: 1 node(s) had untolerated taint {nvidia.com/gpu: present}.")
