"""Clusters spoilt for the checks of GPU pods as they were written."""

from support.cluster_world import runtime_class
from support.doctor_cases.changes import mount, unschedulable
from support.doctor_cases.table import spoils
from support.doctor_world import GPU, Cluster
from webhook.doctor.check import State


@spoils("pods-class", 'its RuntimeClass "gone" does not exist\ncreate RuntimeClass gone (see class-exists)')
def class_is_gone(cluster: Cluster) -> None:
    """It was deleted after the pod was made."""
    cluster.pod["spec"]["runtimeClassName"] = "gone"


@spoils("pods-class", "keep the pod to nodes with the runtime kata, or remove runtimeClassName")
def class_of_others(cluster: Cluster) -> None:
    """NVIDIA's toolkit brings no other runtime."""
    cluster.add(runtime_class("kata", "kata"))
    cluster.pod["spec"]["runtimeClassName"] = "kata"


@spoils("pods-class", 'gpu-node has no runtime "nvidia" for its RuntimeClass "nvidia"')
def node_without_runtime(cluster: Cluster) -> None:
    """The author chose it, and the node does not know it."""
    cluster.node["status"]["runtimeHandlers"] = [{"name": "runc"}]


@spoils("pods-leaking", "container sidecar: requests no GPU and has no NVIDIA_VISIBLE_DEVICES", State.WARN)
def leaking_sidecar(cluster: Cluster) -> None:
    """A sidecar beside an author's own class."""
    cluster.pod["spec"]["containers"][1]["env"] = []


@spoils("pods-leaking", "NVIDIA_VISIBLE_DEVICES=all shows them", State.WARN)
def asks_for_all(cluster: Cluster) -> None:
    """A container that helps itself."""
    cluster.pod["spec"]["containers"][1]["env"][0]["value"] = "all"


@spoils("pods-none", "container sidecar: NVIDIA_VISIBLE_DEVICES=none", State.WARN)
def none(cluster: Cluster) -> None:
    """It does not start in CDI mode."""
    cluster.pod["spec"]["containers"][1]["env"][0]["value"] = "none"


@spoils("pods-zero", "ml/model requests zero GPUs", State.WARN)
def zero(cluster: Cluster) -> None:
    """A chart's default."""
    cluster.pod["spec"]["containers"][0]["resources"]["limits"][GPU] = "0"


@spoils("pods-user-namespaces", "ml/model has hostUsers: false", State.WARN)
def user_namespaces(cluster: Cluster) -> None:
    """NVIDIA's runtime cannot serve it."""
    cluster.pod["spec"]["hostUsers"] = False


@spoils("pods-directories", "ml/model mounts /usr/lib/x86_64-linux-gnu of the host as a whole", State.WARN)
def whole_directory(cluster: Cluster) -> None:
    """What people try in an incident."""
    mount(cluster.pod, "/usr/lib/x86_64-linux-gnu")


@spoils("pods-device-mounts", "/dev/nvidia0 by hostPath, unprivileged", State.WARN)
def device_by_hand(cluster: Cluster) -> None:
    """What people try next."""
    mount(cluster.pod, "/dev/nvidia0")


@spoils("pods-pending", "Insufficient nvidia.com/gpu", State.WARN)
def pending(cluster: Cluster) -> None:
    """No node has one to give."""
    unschedulable(cluster, "0/1 nodes are available: 1 Insufficient nvidia.com/gpu.")


@spoils("pods-not-starting", "container main: CreateContainerError failed to create", State.WARN)
def not_starting(cluster: Cluster) -> None:
    """The container's own trouble is shown as the kubelet tells it."""
    waiting = {"reason": "CreateContainerError", "message": "failed to create containerd task"}
    cluster.pod["status"]["containerStatuses"] = [{"name": "main", "state": {"waiting": waiting}}]


@spoils(
    "pods-not-starting", "StartError failed to create containerd task: nvidia-container-cli: driver error", State.WARN
)
def start_error(cluster: Cluster) -> None:
    """The waiting state says CrashLoopBackOff, the run before says why."""
    ended = {"reason": "StartError", "message": "failed to create containerd task: nvidia-container-cli: driver error"}
    waiting = {"waiting": {"reason": "CrashLoopBackOff"}}
    status = {"name": "main", "state": waiting, "lastState": {"terminated": ended}}
    cluster.pod["status"] = {"phase": "Running", "containerStatuses": [status]}


@spoils("pods-not-starting", "UnexpectedAdmissionError", State.WARN)
def rejected_by_kubelet(cluster: Cluster) -> None:
    """The pod has failed before any container was created."""
    message = "Allocate failed due to no healthy devices present; cannot allocate unhealthy devices nvidia.com/gpu"
    cluster.pod["status"] = {"phase": "Failed", "reason": "UnexpectedAdmissionError", "message": message}


@spoils("pods-shared-twice", "requests 2 of a shared GPU", State.WARN)
def two_of_a_shared_gpu(cluster: Cluster) -> None:
    """Time-slicing gives no more for two requests."""
    cluster.node["metadata"]["labels"]["nvidia.com/gpu.sharing-strategy"] = "time-slicing"
    cluster.pod["spec"]["containers"][0]["resources"]["limits"][GPU] = "2"


@spoils("pods-unhealthy-device", "GPU-1 of nvidia.com/gpu is Unhealthy")
def unhealthy_device(cluster: Cluster) -> None:
    """The kubelet reports the health of what it allocated."""
    found = {"name": GPU, "resources": [{"resourceID": "GPU-1", "health": "Unhealthy"}]}
    status = {"name": "main", "allocatedResourcesStatus": [found]}
    cluster.pod["status"] = {"phase": "Running", "containerStatuses": [status]}
