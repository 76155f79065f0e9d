"""Changes to a healthy cluster that several cases share."""

from copy import deepcopy
from typing import Any

from support.doctor_world import GPU, Cluster, Json


def webhook(name: str, **fields: Any) -> Json:  # noqa: ANN401  of the entry
    """Return another mutating webhook that is called for all pods."""
    rules = [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}]
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [{"name": "pods.example.com", "rules": rules, **fields}],
    }


def second_node(cluster: Cluster) -> Json:
    """Have one more node like the first, and return it."""
    node = deepcopy(cluster.node)
    node["metadata"]["name"] = node["metadata"]["labels"]["kubernetes.io/hostname"] = "second"
    cluster.add(node)
    return node


def blind_on_cpu_node(cluster: Cluster) -> None:
    """Have the plugin on a node without a GPU, where it finds nothing."""
    node, pod = second_node(cluster), deepcopy(cluster.plugin)
    node["metadata"] = {"name": "cpu-node", "labels": {}}
    node["status"] |= {"allocatable": {}, "capacity": {}, "runtimeHandlers": []}
    cluster.remove("Node", "second")
    del pod["spec"]["runtimeClassName"]
    pod["metadata"]["name"], pod["spec"]["nodeName"] = "plugin-2", "cpu-node"
    cluster.logs["plugin-2"] = "could not load NVML library: libnvidia-ml.so.1"
    cluster.add(node, pod)


def offers_nothing(cluster: Cluster) -> None:
    """Have a GPU node that never offered a GPU."""
    cluster.node["status"]["allocatable"] = cluster.node["status"]["capacity"] = {"cpu": "16"}


def volcano(cluster: Cluster) -> None:
    """Have Volcano's vGPU plugin in place of NVIDIA's, without a GPU."""
    labels, container = {"name": "volcano-device-plugin"}, "volcano-device-plugin"
    pod, owner = cluster.blind_plugin(), cluster.daemon_set
    image = "docker.io/projecthami/volcano-vgpu-device-plugin:v1.9.0"
    place = {"name": "device-plugin", "mountPath": "/var/lib/kubelet/device-plugins"}
    volume = {"name": "device-plugin", "hostPath": {"path": "/var/lib/kubelet/device-plugins"}}
    for template in (pod, owner["spec"]["template"]):
        template["metadata"]["labels"] = labels
        template["spec"]["volumes"] = [volume]
        template["spec"]["containers"] = [{"name": container, "image": image, "volumeMounts": [place]}]


def mounts_nvml(pod: Json) -> None:
    """Give a pod NVML by hand."""
    mount(pod, "/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1")


def mount(pod: Json, path: str) -> None:
    """Mount a path of the host into the first container of a pod."""
    pod["spec"]["volumes"] = [{"name": "by-hand", "hostPath": {"path": path}}]
    pod["spec"]["containers"][0]["volumeMounts"] = [{"name": "by-hand", "mountPath": "/mnt"}]


def cluster_policy(state: str = "ready", **spec: object) -> Json:
    """Return the GPU Operator's settings and state."""
    metadata = {"name": "cluster-policy"}
    head = {"apiVersion": "nvidia.com/v1", "kind": "ClusterPolicy", "metadata": metadata}
    return {**head, "spec": spec, "status": {"state": state}}


def device_class() -> Json:
    """Return a DeviceClass that serves GPUs."""
    head = {"apiVersion": "resource.k8s.io/v1", "kind": "DeviceClass", "metadata": {"name": "gpu"}}
    return {**head, "spec": {"extendedResourceName": GPU}}


def unschedulable(cluster: Cluster, message: str) -> None:
    """Have the GPU pod wait for a node."""
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    cluster.pod["status"] = {"phase": "Pending", "conditions": [condition]}
