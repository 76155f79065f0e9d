"""Clusters with node facts, spoilt for the checks of what the nodes report by themselves."""

from typing import Any

from support.doctor_cases.table import spoils
from support.doctor_world import HOME, Cluster, Json
from webhook.doctor.check import State
from webhook.node_facts.facts_report import NodeFacts
from webhook.view.node_facts_pods import LABEL, NAME

BOOT = "b-1"
DRIVER = "nvidia.com/cuda.driver-version.full"
FAILED = (
    "failed to create containerd task: OCI runtime create failed: nvidia-container-cli: initialization error: nvml "
    "error: driver not loaded: unknown"
)


def report_from(cluster: Cluster, **facts: Any) -> Json:  # noqa: ANN401  of NodeFacts
    """Have node facts on, with a report of the GPU node; return its pod, to be changed in place."""
    cluster.node["status"]["nodeInfo"]["bootID"] = BOOT
    report = NodeFacts(**{"boot_id": BOOT, "gpus": {"nvidia": 2}, "driver_version": "570.86.15", **facts})
    ended = {"exitCode": 0, "finishedAt": "2026-05-31T00:00:00Z", "message": report.to_text()}
    head = {"namespace": HOME, "labels": {LABEL: NAME}}
    template = {"metadata": {"labels": {LABEL: NAME}}, "spec": {"nodeSelector": {"kubernetes.io/os": "linux"}}}
    owner = {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": NAME, "controller": True}
    pod: Json = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**head, "name": f"{NAME}-x", "ownerReferences": [owner]},
        "spec": {"nodeName": "gpu-node", "containers": [{"name": "follow"}]},
        "status": {"phase": "Running", "initContainerStatuses": [{"name": "report", "state": {"terminated": ended}}]},
    }
    daemon_set = {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {**head, "name": NAME}}
    cluster.add({**daemon_set, "spec": {"template": template}}, pod)
    return pod


@spoils("node-facts", "gpu-node: no pod of node facts runs there", State.WARN)
def no_pod_of_node_facts(cluster: Cluster) -> None:
    """Node facts are on, and the node has a taint."""
    report_from(cluster)["spec"]["nodeName"] = "another"
    cluster.node["spec"]["taints"] = [{"key": "example.com/gpu", "effect": "NoSchedule"}]


@spoils("node-facts", "gpu-node: its report is of an earlier boot", State.WARN)
def of_an_earlier_boot(cluster: Cluster) -> None:
    """The node was rebooted, and its pod has not reported since."""
    report_from(cluster, boot_id="b-0")


@spoils("node-facts", "gpu-node: the report is damaged, or of another version", State.WARN)
def of_another_version(cluster: Cluster) -> None:
    """The report has a format that this version does not know."""
    status = report_from(cluster)["status"]["initContainerStatuses"][0]
    status["state"]["terminated"]["message"] = '{"version":2}'


@spoils("node-facts", "the node shows no boot ID", State.WARN)
def without_a_boot_id(cluster: Cluster) -> None:
    """A virtual kubelet, or an old one."""
    report_from(cluster)
    cluster.node["status"]["nodeInfo"]["bootID"] = ""


@spoils("node-facts-agree", "label nvidia.com/gpu.present=true, but reports no NVIDIA GPU", State.WARN)
def label_without_gpu(cluster: Cluster) -> None:
    """The GPU was taken out."""
    report_from(cluster, gpus={}, driver_version="")


@spoils("node-facts-agree", "but reports 2 NVIDIA GPUs with the driver vfio-pci", State.WARN)
def label_with_vfio(cluster: Cluster) -> None:
    """The GPUs are for virtual machines."""
    report_from(cluster, gpus={"vfio-pci": 2}, driver_version="")


@spoils("node-facts-agree", "its label says driver 550.54, but it reports driver 570.86.15", State.WARN)
def another_version(cluster: Cluster) -> None:
    """Feature discovery has not looked since the driver was upgraded."""
    report_from(cluster)
    cluster.node["metadata"]["labels"][DRIVER] = "550.54"


@spoils("node-facts-agree", "its label says driver 550.54, but it reports 2 NVIDIA GPUs with no driver", State.WARN)
def label_without_driver(cluster: Cluster) -> None:
    """The driver's module is not loaded."""
    report_from(cluster, gpus={"none": 2}, driver_version="")
    cluster.node["metadata"]["labels"][DRIVER] = "550.54"


@spoils("default-runtime", "gpu-node: NVIDIA's runtime is the default and fails")
def default_runtime_fails(cluster: Cluster) -> None:
    """The driver is not loaded."""
    ended = {"exitCode": 128, "reason": "StartError", "message": FAILED}
    status = report_from(cluster)["status"]["initContainerStatuses"][0]
    status |= {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": ended}}
