"""More clusters on which GPU pods work: shared and renamed GPUs, other nodes beside, and nodes that come and go.

Doctor has nothing to say about those of ``PLATFORMS``, and warns at most about those of ``QUIET``: its exit code is 0.
"""

from collections.abc import Callable
from copy import deepcopy
from datetime import timedelta

from support.doctor_cases.changes import second_node, volcano, webhook
from support.doctor_world import GPU, NOW, PLUGIN, Cluster, Json
from support.platforms import PLATFORMS, Change, eks, k3s, operator_cdi, platform
from webhook.names import DECISION_KEY

QUIET: dict[str, tuple[Change, frozenset[str]]] = {}


def quiet(name: str, *warned: str) -> Callable[[Change], Change]:
    """Add a cluster on which these checks warn, and none fails."""

    def add(change: Change) -> Change:
        QUIET[name] = change, frozenset(warned)
        return change

    return add


def offers_only(cluster: Cluster, resources: dict[str, str]) -> None:
    """Have the GPU node offer these resources alone, and no pod of ours."""
    for name in ("capacity", "allocatable"):
        cluster.node["status"][name] = {"cpu": "16", **resources}
    limits = {next(iter(resources)): "1"}
    cluster.pod["spec"].pop("runtimeClassName", None)
    cluster.pod["metadata"].pop("annotations", None)
    cluster.pod["spec"]["containers"] = [{"name": "main", "resources": {"limits": limits}}]


@platform("volcano-vgpu")
def volcano_vgpu(cluster: Cluster) -> None:
    """Volcano's plugin has resources of its own."""
    volcano(cluster)
    cluster.logs.pop(PLUGIN, None)
    offers_only(cluster, {"volcano.sh/vgpu-number": "20", "volcano.sh/vgpu-memory": "48000"})
    cluster.node["status"]["runtimeHandlers"] = [{"name": "runc"}]


@platform("gpushare")
def gpushare(cluster: Cluster) -> None:
    """Alibaba's plugin counts memory."""
    volcano_vgpu(cluster)
    for template in (cluster.plugin, cluster.daemon_set["spec"]["template"]):
        template["metadata"]["labels"] = {"name": "gpushare-device-plugin-ds"}
    offers_only(cluster, {"aliyun.com/gpu-mem": "22", "aliyun.com/gpu-count": "1"})


@platform("mig-mixed")
def mig_mixed(cluster: Cluster) -> None:
    """All GPUs of the node are cut into MIG devices, so that it has no whole one."""
    offers_only(cluster, {"nvidia.com/mig-1g.5gb": "7", GPU: "0"})
    cluster.pod["metadata"]["annotations"] = {DECISION_KEY: "inject/runtime-class"}
    cluster.pod["spec"]["runtimeClassName"] = "nvidia"


@platform("time-slicing-renamed")
def time_slicing(cluster: Cluster) -> None:
    """Time-slicing with ``renameByDefault``."""
    offers_only(cluster, {"nvidia.com/gpu.shared": "8"})
    cluster.pod["metadata"]["annotations"] = {DECISION_KEY: "inject/runtime-class"}
    cluster.pod["spec"]["runtimeClassName"] = "nvidia"


@platform("renamed-on-eks")
def renamed(cluster: Cluster) -> None:
    """The administrator renamed the resource, and NVIDIA's runtime is the default: nothing needs us."""
    eks(cluster)
    offers_only(cluster, {"nvidia.com/a100": "8"})


@platform("amd-beside")
def amd_beside(cluster: Cluster) -> None:
    """A node with AMD's GPUs and plugin."""
    node = second_node(cluster)
    node["metadata"]["labels"] = {"kubernetes.io/hostname": "second", "amd.com/gpu.vram": "64G"}
    node["status"]["runtimeHandlers"] = [{"name": "runc"}]
    for name in ("capacity", "allocatable"):
        node["status"][name] = {"cpu": "16", "amd.com/gpu": "8"}


@platform("windows-beside")
def windows_beside(cluster: Cluster) -> None:
    """A Windows node has neither handlers nor GPUs."""
    node = second_node(cluster)
    node["metadata"]["labels"] = {"kubernetes.io/hostname": "second", "kubernetes.io/os": "windows"}
    for name in ("capacity", "allocatable"):
        node["status"][name] = {"cpu": "16"}
    node["status"] |= {"runtimeHandlers": [{"name": "runhcs-wcow-process"}]}
    node["status"]["nodeInfo"] |= {"osImage": "Windows Server 2022 Datacenter", "operatingSystem": "windows"}


@platform("kata-beside")
def kata_beside(cluster: Cluster) -> None:
    """A node gives whole GPUs to Kata's virtual machines."""
    node = second_node(cluster)
    node["metadata"]["labels"]["nvidia.com/gpu.workload.config"] = "vm-passthrough"
    node["status"]["runtimeHandlers"] = [{"name": "runc"}, {"name": "kata-qemu-nvidia-gpu"}]
    for name in ("capacity", "allocatable"):
        node["status"][name] = {"cpu": "16", "nvidia.com/pgpu": "8"}


@platform("node-left-out")
def node_left_out(cluster: Cluster) -> None:
    """An administrator keeps the operator's pods away from a node."""
    operator_cdi(cluster)
    node = second_node(cluster)
    node["metadata"]["labels"]["nvidia.com/gpu.deploy.operands"] = "false"
    node["status"] |= {"capacity": {"cpu": "16"}, "allocatable": {"cpu": "16"}}
    # Its plugin does not select the node.
    cluster.daemon_set["spec"]["template"]["spec"]["nodeSelector"] = {"nvidia.com/gpu.deploy.device-plugin": "true"}
    cluster.node["metadata"]["labels"]["nvidia.com/gpu.deploy.device-plugin"] = "true"


@platform("operator-with-driver")
def operator_with_driver(cluster: Cluster) -> None:
    """The operator's driver, toolkit and validator are Ready, and a validation has completed."""
    operator_cdi(cluster)
    for app in ("nvidia-driver-daemonset", "nvidia-container-toolkit-daemonset", "nvidia-operator-validator"):
        pod = support(app)
        cluster.add(pod)
    done = support("nvidia-operator-validator", "cuda-validator")
    done["status"] = {"phase": "Succeeded"}
    cluster.add(done)


def support(app: str, name: str = "") -> Json:
    """Return a pod of the operator that is Ready."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name or f"{app}-1", "namespace": "gpu-operator", "labels": {"app": app}},
        "spec": {"nodeName": "gpu-node", "containers": [{"name": "main"}]},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    }


@platform("jetson")
def jetson(cluster: Cluster) -> None:
    """K3s on Jetson Orin: the class brings Tegra's libraries."""
    k3s(cluster)
    info = {"osImage": "Ubuntu 22.04.5 LTS", "kernelVersion": "5.15.148-tegra", "architecture": "arm64"}
    cluster.node["status"]["nodeInfo"] |= info


@platform("wsl2")
def wsl(cluster: Cluster) -> None:
    """K3s on WSL2, under the class."""
    k3s(cluster)
    cluster.node["status"]["nodeInfo"]["kernelVersion"] = "5.15.167.4-microsoft-standard-WSL2"


@platform("nebius")
def nebius(cluster: Cluster) -> None:
    """The platform's health checks report nothing."""
    cluster.node["status"]["conditions"] += [
        {"type": "NebiusGPUError", "status": "False", "reason": "NoGPUError"},
        {"type": "AcceleratedHardwareReady", "status": "True", "reason": "NoError"},
        {"type": "NVLinkStatusInactive", "status": "False", "reason": "NVLinkStatusActive"},
        {"type": "GPUMissing", "status": "Unknown", "reason": "NoData"},
    ]


@platform("completed-jobs")
def completed_jobs(cluster: Cluster) -> None:
    """Pods that have done their work."""
    done = deepcopy(cluster.pod)
    done["metadata"]["name"] = "done"
    done["status"] = {"phase": "Succeeded"}
    cluster.add(done)


@platform("queued")
def queued(cluster: Cluster) -> None:
    """Kueue holds a pod back until its turn."""
    waiting = deepcopy(cluster.pod)
    waiting["metadata"]["name"] = "queued"
    del waiting["spec"]["nodeName"]
    condition = {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated", "message": "gated"}
    waiting["status"] = {"phase": "Pending", "conditions": [condition]}
    cluster.add(waiting)


@quiet("scaled-to-zero", "gpu-nodes")
def scaled_to_zero(cluster: Cluster) -> None:
    """An autoscaler adds a GPU node when a pod asks for one."""
    cluster.remove("Pod", "model")
    cluster.remove("Pod", PLUGIN)
    cluster.node["metadata"]["labels"] = {}
    cluster.node["status"] |= {"allocatable": {"cpu": "4"}, "capacity": {"cpu": "4"}, "runtimeHandlers": []}


@quiet("one-node-cordoned", "nodes-ready")
def one_node_cordoned(cluster: Cluster) -> None:
    """Maintenance of one of two nodes."""
    second_node(cluster)["spec"] = {"unschedulable": True}
    _plugin_on_second(cluster)


@quiet("one-node-away", "nodes-ready")
def one_node_away(cluster: Cluster) -> None:
    """An autoscaler removes a node: its kubelet is away, and so is its plugin."""
    node = second_node(cluster)
    node["status"]["conditions"] = [{"type": "Ready", "status": "Unknown"}]
    for name in ("capacity", "allocatable"):
        node["status"][name] = {"cpu": "16", GPU: "0"}
    _plugin_on_second(cluster)


@quiet("node-starts", "gpus-allocatable")
def node_starts(cluster: Cluster) -> None:
    """A node that joined two minutes ago."""
    node = second_node(cluster)
    node["metadata"]["creationTimestamp"] = (NOW - timedelta(minutes=2)).isoformat()
    for name in ("capacity", "allocatable"):
        node["status"][name] = {"cpu": "16"}
    _plugin_on_second(cluster)


@quiet("hami", "other-mutators")
def hami(cluster: Cluster) -> None:
    """HAMi's plugin splits GPUs, and its webhook sets the scheduler."""
    labels = {"app.kubernetes.io/component": "hami-device-plugin"}
    for template in (cluster.plugin, cluster.daemon_set["spec"]["template"]):
        template["metadata"]["labels"] = labels
        template["spec"]["containers"] = [{"name": "device-plugin", "env": []}]
    for name in ("capacity", "allocatable"):
        cluster.node["status"][name] |= {GPU: "20"}
    cluster.add(webhook("hami-webhook", failurePolicy="Ignore"))


def _plugin_on_second(cluster: Cluster) -> None:
    pod = deepcopy(cluster.plugin)
    pod["metadata"]["name"], pod["spec"]["nodeName"] = "plugin-2", "second"
    cluster.add(pod)


__all__ = ["PLATFORMS", "QUIET"]
