"""Clusters spoilt for the checks of the GPU Operator, CDI and DRA."""

from copy import deepcopy

from support.doctor_cases.changes import cluster_policy, device_class, offers_nothing, second_node
from support.doctor_cases.table import spoils
from support.doctor_world import Cluster
from webhook.doctor.check import State


@spoils("gpu-operator", "ClusterPolicy cluster-policy is notReady")
def operator_not_ready(cluster: Cluster) -> None:
    """It says so itself."""
    cluster.add(cluster_policy(state="notReady"))


@spoils("operator-provides", "ml/model runs under the class nvidia", State.WARN)
def operator_by_cdi(cluster: Cluster) -> None:
    """The class may break what works without."""
    cluster.node["metadata"]["labels"]["nvidia.com/gpu.deploy.device-plugin"] = "true"
    cluster.add(cluster_policy(cdi={"enabled": True}))


@spoils("dra", "DeviceClass gpu serves nvidia.com/gpu, and no node has published a device")
def dra_without_devices(cluster: Cluster) -> None:
    """The DRA driver does not run."""
    cluster.add(device_class())
    cluster.blind_plugin()


@spoils("dra", "DeviceClass gpu serves nvidia.com/gpu, and no node has published a device", State.WARN)
def dra_not_used_yet(cluster: Cluster) -> None:
    """The device plugin serves the GPUs, the class waits for its driver."""
    cluster.add(device_class())


@spoils("dra-beside-plugin", "gpu-node: nvidia.com/gpu by the device plugin and by DRA", State.WARN)
def dra_and_plugin(cluster: Cluster) -> None:
    """The same GPUs are given out twice."""
    spec = {"driver": "gpu.nvidia.com", "nodeName": "gpu-node", "devices": [{"name": "gpu-0"}]}
    head = {"apiVersion": "resource.k8s.io/v1", "kind": "ResourceSlice", "metadata": {"name": "gpu-node-1"}}
    cluster.add(device_class(), {**head, "spec": spec})


@spoils("one-provider", "gpu-node: by the runtime class or mounts", State.WARN)
def two_providers(cluster: Cluster) -> None:
    """One node by CDI, the other by the class."""
    second_node(cluster)
    pod = deepcopy(cluster.plugin)
    pod["metadata"]["name"], pod["spec"]["nodeName"] = "plugin-2", "second"
    pod["spec"]["containers"][0]["env"] = [{"name": "DEVICE_LIST_STRATEGY", "value": "cdi-cri"}]
    cluster.add(pod)


@spoils("gpu-stack", "driver gpu-operator/driver on gpu-node: Pending")
def driver_waits(cluster: Cluster) -> None:
    """The driver's pod is not there yet, and the node offers nothing."""
    offers_nothing(cluster)
    metadata = {"name": "driver", "namespace": "gpu-operator", "labels": {"app": "nvidia-driver-daemonset"}}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"nodeName": "gpu-node"}}
    cluster.add({**pod, "status": {"phase": "Pending"}})
