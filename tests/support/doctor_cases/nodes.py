"""Clusters spoilt for the checks of the nodes."""

from support.doctor_cases.changes import second_node
from support.doctor_cases.table import spoils
from support.doctor_world import GPU, Cluster
from webhook.doctor.check import State
from webhook.policy.model import Policy


@spoils("gpu-nodes", "none of 1 nodes offers a GPU")
def no_gpu_node(cluster: Cluster) -> None:
    """Nothing shows a GPU anywhere."""
    cluster.node["metadata"]["labels"] = {}
    cluster.node["status"] |= {"allocatable": {}, "capacity": {}, "runtimeHandlers": []}


@spoils("nodes-ready", "gpu-node: not Ready")
def not_ready(cluster: Cluster) -> None:
    """The kubelet is away."""
    cluster.node["status"]["conditions"] = [{"type": "Ready", "status": "Unknown"}]


@spoils("nodes-ready", "gpu-node: cordoned")
def cordoned(cluster: Cluster) -> None:
    """It was not uncordoned after maintenance."""
    cluster.node["spec"]["unschedulable"] = True


@spoils("gpus-allocatable", "gpu-node offers nvidia.com/gpu: 0")
def no_gpus(cluster: Cluster) -> None:
    """A plugin that registered once and is blind now."""
    cluster.node["status"]["allocatable"][GPU] = cluster.node["status"]["capacity"][GPU] = "0"


@spoils("gpus-healthy", "gpu-node has 2 nvidia.com/gpu and offers 0")
def all_unhealthy(cluster: Cluster) -> None:
    """The plugin marked each GPU as unhealthy."""
    cluster.node["status"]["allocatable"][GPU] = "0"


@spoils("gpus-healthy", "gpu-node has 2 nvidia.com/gpu and offers 1", State.WARN)
def one_unhealthy(cluster: Cluster) -> None:
    """One GPU of two reported an error."""
    cluster.node["status"]["allocatable"][GPU] = "1"


@spoils("node-states", "gpu-node has nvidia.com/gpu-driver-upgrade-state=upgrade-failed")
def driver_upgrade_failed(cluster: Cluster) -> None:
    """The GPU Operator gave up on the node."""
    cluster.node["metadata"]["labels"]["nvidia.com/gpu-driver-upgrade-state"] = "upgrade-failed"


@spoils("node-states", "gpu-node has nvidia.com/mig.config.state=failed")
def mig_failed(cluster: Cluster) -> None:
    """The MIG manager could not apply the wish."""
    cluster.node["metadata"]["labels"]["nvidia.com/mig.config.state"] = "failed"


@spoils("runtime-handler", 'gpu-node (containerd 2.x) has no runtime "nvidia"; it knows runc')
def no_handler(cluster: Cluster) -> None:
    """NVIDIA's runtime is not configured."""
    cluster.node["status"]["runtimeHandlers"] = [{"name": ""}, {"name": "runc"}]


@spoils("runtime-handler", "(containerd://1.7.27) does not report its handlers", State.WARN)
def silent_handlers(cluster: Cluster) -> None:
    """An old runtime, and a plugin that does not run under the class."""
    cluster.node["status"]["runtimeHandlers"] = []
    cluster.node["status"]["nodeInfo"]["containerRuntimeVersion"] = "containerd://1.7.27"
    cluster.blind_plugin()


@spoils("runtime-version", "gpu-node runs Docker")
def docker(cluster: Cluster) -> None:
    """By a cri-dockerd before 0.4."""
    cluster.blind_plugin()
    cluster.node["status"]["runtimeHandlers"] = []
    cluster.node["status"]["nodeInfo"]["containerRuntimeVersion"] = "docker://24.0.7"


@spoils("runtime-version", "containerd://1.6.20, which does not report", State.WARN)
def old_containerd(cluster: Cluster) -> None:
    """Debian's."""
    cluster.blind_plugin()
    cluster.node["status"]["runtimeHandlers"] = []
    cluster.node["status"]["nodeInfo"]["containerRuntimeVersion"] = "containerd://1.6.20"


@spoils("driver-profile", "no driver profile for Flatcar", State.WARN)
def unknown_system(cluster: Cluster) -> None:
    """No profile knows it, and nothing shows that the class works."""
    cluster.blind_plugin()
    cluster.node["status"]["runtimeHandlers"] = []
    cluster.node["status"]["nodeInfo"]["osImage"] = "Flatcar Container Linux"


@spoils("driver-label", "gpu-node has no label nvidia.com/cuda.driver-version.full")
def no_version(cluster: Cluster) -> None:
    """The policy's file names need it."""
    cluster.policy = Policy(libraries=("libcuda.so.{driver_version}",))


@spoils("driver-same", "driver versions: 550.1, 570.2", State.WARN)
def two_drivers(cluster: Cluster) -> None:
    """One node was upgraded."""
    cluster.node["metadata"]["labels"]["nvidia.com/cuda.driver-version.full"] = "550.1"
    second = second_node(cluster)
    second["metadata"]["labels"]["nvidia.com/cuda.driver-version.full"] = "570.2"


@spoils(
    "gpu-resources", "resources: [nvidia.com/gpu, nvidia.com/gpu.shared, nvidia.com/mig-*, nvidia.com/a100]", State.WARN
)
def renamed(cluster: Cluster) -> None:
    """The plugin's configuration names the resource after the GPU."""
    cluster.node["status"]["allocatable"] = cluster.node["status"]["capacity"] = {"cpu": "16", "nvidia.com/a100": "2"}


@spoils("node-states", "gpu-node has condition GpuXidError=True: Xid79")
def condition(cluster: Cluster) -> None:
    """A monitor of the node reports it."""
    found = {"type": "GpuXidError", "status": "True", "reason": "Xid79"}
    cluster.node["status"]["conditions"].append(found)
