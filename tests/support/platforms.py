"""Clusters on which GPU pods work, one for each platform: doctor has nothing to say about them."""

from collections.abc import Callable
from copy import deepcopy

from support.cluster_world import namespace
from support.doctor_cases.changes import cluster_policy, second_node, volcano
from support.doctor_world import GPU, PLUGIN, Cluster, Json, healthy
from webhook.names import DECISION_KEY

PLATFORMS: dict[str, Callable[[Cluster], object]] = {}
Change = Callable[[Cluster], object]


def platform(name: str) -> Callable[[Change], Change]:
    """Add a platform to the table."""

    def add(change: Change) -> Change:
        PLATFORMS[name] = change
        return change

    return add


def cluster_on(name: str) -> Cluster:
    """Return the healthy cluster of a platform."""
    cluster = healthy()
    PLATFORMS[name](cluster)
    return cluster


def _runs(cluster: Cluster, runtime: str, system: str = "", kubelet: str = "", handlers: tuple[str, ...] = ()) -> None:
    info = cluster.node["status"]["nodeInfo"]
    info["containerRuntimeVersion"] = runtime
    info["osImage"], info["kubeletVersion"] = system or info["osImage"], kubelet or info["kubeletVersion"]
    cluster.node["status"]["runtimeHandlers"] = [{"name": name} for name in handlers]


def _left(cluster: Cluster, reason: str) -> Json:
    """Have the GPU pod without a class, left alone for a reason."""
    cluster.bare_pod()["metadata"]["annotations"] = {DECISION_KEY: f"leave/{reason}"}
    return cluster.pod


def _without_class(cluster: Cluster) -> None:
    cluster.remove("RuntimeClass", "nvidia")
    cluster.plugin["spec"].pop("runtimeClassName", None)
    cluster.plugin["metadata"]["annotations"] = {}


def _managed(cluster: Cluster, home: str, labels: dict[str, str], **container: object) -> None:
    """Add a plugin that a platform manages, in another namespace."""
    for item in (cluster.daemon_set, cluster.plugin):
        item["metadata"] |= {"namespace": home, "labels": labels}
    template = cluster.daemon_set["spec"]["template"]
    template["metadata"]["labels"] = labels
    for spec in (template["spec"], cluster.plugin["spec"]):
        spec["containers"] = [deepcopy(container)]
    cluster.add(namespace(home))


OPERATOR_LABELS = {"app": "nvidia-device-plugin-daemonset"}
CDI = [{"name": "DEVICE_LIST_STRATEGY", "value": "cdi-annotations,cdi-cri"}]


def _slices(cluster: Cluster) -> None:
    head = {"apiVersion": "resource.k8s.io/v1"}
    selector = {"cel": {"expression": 'device.driver == "gpu.nvidia.com"'}}
    spec = {"extendedResourceName": GPU, "selectors": [selector]}
    cluster.add({**head, "kind": "DeviceClass", "metadata": {"name": "gpu.nvidia.com"}, "spec": spec})
    devices = {"driver": "gpu.nvidia.com", "nodeName": "gpu-node", "devices": [{"name": "gpu-0"}]}
    cluster.add({**head, "kind": "ResourceSlice", "metadata": {"name": "gpu-node-1"}, "spec": devices})
    cluster.node["status"] |= {"capacity": {"cpu": "16"}, "allocatable": {"cpu": "16"}}
    cluster.node["status"]["runtimeHandlers"] = [{"name": "runc"}]
    cluster.remove("DaemonSet", "nvidia-device-plugin")
    cluster.remove("Pod", PLUGIN)
    cluster.remove("RuntimeClass", "nvidia")
    _left(cluster, "dra")


@platform("kubeadm")
def kubeadm(cluster: Cluster) -> None:
    """Containerd 1.7 reports no handlers; the plugin under the class proves it."""
    _runs(cluster, "containerd://1.7.28")


@platform("k3s")
def k3s(cluster: Cluster) -> None:
    """K3s makes the class."""
    _runs(cluster, "containerd://2.1.4-k3s1", kubelet="v1.33.5+k3s1", handlers=("runc", "nvidia"))
    cluster.of("RuntimeClass", "nvidia")["metadata"]["labels"] = {"objectset.rio.cattle.io/hash": "1"}


@platform("k3s-default-runtime")
def k3s_default_runtime(cluster: Cluster) -> None:
    """On k3s, NVIDIA's runtime may be the default."""
    k3s(cluster)
    cluster.node["metadata"]["annotations"] = {"k3s.io/node-args": '["agent","--default-runtime","nvidia"]'}
    cluster.plugin["spec"].pop("runtimeClassName")
    _left(cluster, "platform-provides")


@platform("rke2")
def rke2(cluster: Cluster) -> None:
    """As k3s."""
    _runs(cluster, "containerd://1.7.27-k3s1", kubelet="v1.31.9+rke2r1", handlers=())


@platform("microk8s")
def microk8s(cluster: Cluster) -> None:
    """Its addon is the GPU Operator."""
    _by_operator(cluster, "gpu-operator-resources")
    cluster.node["metadata"]["labels"]["microk8s.io/cluster"] = "true"


@platform("gpu-operator-cdi")
def operator_cdi(cluster: Cluster) -> None:
    """CDI, by the GPU Operator."""
    _by_operator(cluster, "gpu-operator")


def _by_operator(cluster: Cluster, home: str) -> None:
    _managed(cluster, home, OPERATOR_LABELS, name="nvidia-device-plugin", env=CDI)
    cluster.add(cluster_policy(cdi={"enabled": True}))
    cluster.plugin["spec"].pop("runtimeClassName")
    _left(cluster, "cdi")


@platform("dra")
def dra(cluster: Cluster) -> None:
    """DRA alone, by NVIDIA's DRA driver."""
    _slices(cluster)


@platform("gpu-cluster")
def gpu_cluster(cluster: Cluster) -> None:
    """GPUCluster of the GPU Operator: DRA alone, and no plugin."""
    _slices(cluster)
    head = {"apiVersion": "nvidia.com/v1", "kind": "GPUCluster", "metadata": {"name": "gpu-cluster"}}
    cluster.add({**head, "spec": {}, "status": {"state": "ready"}})


@platform("openshift")
def openshift(cluster: Cluster) -> None:
    """CRI-O, and the operator."""
    _by_operator(cluster, "nvidia-gpu-operator")
    system = "Red Hat Enterprise Linux CoreOS 418.94.202501221327-0"
    _runs(cluster, "cri-o://1.31.4", system, handlers=("runc", "crun", "nvidia"))


@platform("eks")
def eks(cluster: Cluster) -> None:
    """Amazon's GPU image makes NVIDIA's runtime the default, and has no class."""
    _without_class(cluster)
    _runs(cluster, "containerd://1.7.27", "Amazon Linux 2023.8.20250721", handlers=())
    _left(cluster, "platform-provides")


@platform("bottlerocket")
def bottlerocket(cluster: Cluster) -> None:
    """Bottlerocket has the device plugin as a service of the host."""
    cluster.remove("DaemonSet", "nvidia-device-plugin")
    cluster.remove("Pod", PLUGIN)
    cluster.remove("RuntimeClass", "nvidia")
    _runs(cluster, "containerd://1.7.27+bottlerocket", "Bottlerocket OS 1.42.0 (aws-k8s-1.33-nvidia)", handlers=())
    _left(cluster, "platform-provides")


@platform("gke")
def gke(cluster: Cluster) -> None:
    """Google's own plugin brings the driver."""
    _without_class(cluster)
    labels = {"k8s-app": "nvidia-gpu-device-plugin"}
    _managed(cluster, "kube-system", labels, name="nvidia-gpu-device-plugin")
    cluster.node["metadata"]["labels"]["cloud.google.com/gke-accelerator"] = "nvidia-l4"
    _runs(cluster, "containerd://2.0.4", "Container-Optimized OS from Google", handlers=("runc", "gvisor"))
    _left(cluster, "platform-provides")


@platform("talos")
def talos(cluster: Cluster) -> None:
    """Talos has the toolkit as a system extension."""
    _runs(cluster, "containerd://2.1.4", "Talos (v1.11.2)", handlers=("runc", "nvidia"))


@platform("vfio-node")
def vfio_node(cluster: Cluster) -> None:
    """One node gives its GPUs to virtual machines."""
    node = second_node(cluster)
    node["metadata"]["labels"]["nvidia.com/gpu.workload.config"] = "vm-passthrough"
    node["status"] |= {"capacity": {"cpu": "16"}, "allocatable": {"cpu": "16"}, "runtimeHandlers": [{"name": "runc"}]}


@platform("virtual-kubelet")
def virtual_kubelet(cluster: Cluster) -> None:
    """Have a node without a machine that claims GPUs."""
    node = second_node(cluster)
    node["metadata"]["labels"]["type"] = "virtual-kubelet"
    node["spec"]["taints"] = [{"key": "virtual-kubelet.io/provider", "value": "x", "effect": "NoSchedule"}]
    node["status"]["runtimeHandlers"] = [{"name": "runc"}]


@platform("volcano")
def healthy_fork(cluster: Cluster) -> None:
    """Have a fork of another name that works, under the class."""
    volcano(cluster)
    cluster.plugin["spec"]["runtimeClassName"] = "nvidia"
    cluster.node["status"]["capacity"] = cluster.node["status"]["allocatable"] = {"cpu": "16", GPU: "2"}
