"""Clusters spoilt for the checks of the device plugin."""

from copy import deepcopy

from support.doctor_cases.changes import blind_on_cpu_node, cluster_policy, mounts_nvml, offers_nothing, volcano
from support.doctor_cases.table import spoils
from support.doctor_world import PLUGIN, Cluster
from webhook.doctor.check import State
from webhook.policy.model import Bootstrap, Policy


@spoils("plugin-present", "no device plugin was found")
def no_plugin(cluster: Cluster) -> None:
    """None is installed."""
    cluster.remove("DaemonSet", "nvidia-device-plugin")
    cluster.remove("Pod", PLUGIN)
    offers_nothing(cluster)


@spoils("plugin-present", "the GPU Operator installs the plugin; add no other")
def no_plugin_of_operator(cluster: Cluster) -> None:
    """A second plugin beside the operator would harm."""
    no_plugin(cluster)
    cluster.add(cluster_policy())


@spoils("plugin-recognised", "is Volcano's vGPU device plugin, which this policy does not know", State.WARN)
def fork(cluster: Cluster) -> None:
    """Another name, and no GPU."""
    volcano(cluster)


@spoils("plugin-nvml", "name this plugin under `bootstrap.plugins`")
def blind_fork(cluster: Cluster) -> None:
    """It says the same as NVIDIA's."""
    volcano(cluster)
    cluster.logs[PLUGIN] = "Failed to initialize NVML: could not load NVML library."


@spoils("plugin-log", "upgrade the device plugin to 0.17.4 or newer")
def integrated_gpu(cluster: Cluster) -> None:
    """A GPU that shares the processor's memory, with an old plugin."""
    crashing(cluster)
    cluster.logs[PLUGIN] = "E1029 08:11:03.442190 1 main.go:173] error getting device memory: Not Supported"


@spoils("plugin-log", "error: something that is in no list")
def unknown_error(cluster: Cluster) -> None:
    """No pattern matches, so the plugin is quoted."""
    crashing(cluster)
    cluster.logs[PLUGIN] = "I1 starting\nE1029 08:11:03.442190 1 main.go:173] error: something that is in no list"


@spoils("plugin-log", "XidCriticalError: Xid=79", State.WARN)
def one_xid(cluster: Cluster) -> None:
    """One GPU of two is lost."""
    cluster.node["status"]["allocatable"]["nvidia.com/gpu"] = "1"
    cluster.logs[PLUGIN] = "I1 health.go:186] XidCriticalError: Xid=79 on Device=GPU-1; marking device as unhealthy."


@spoils("plugin-everywhere", "does not tolerate nvidia.com/gpu:NoSchedule")
def taint(cluster: Cluster) -> None:
    """The DaemonSet's template does not tolerate it."""
    cluster.remove("Pod", PLUGIN)
    offers_nothing(cluster)
    cluster.node["spec"]["taints"] = [{"key": "nvidia.com/gpu", "effect": "NoSchedule"}]
    cluster.daemon_set["spec"]["template"]["spec"]["tolerations"] = []


@spoils("plugin-everywhere", "DaemonSet nvidia-device-plugin does not select it")
def selector(cluster: Cluster) -> None:
    """It asks for a label that the node lacks."""
    cluster.remove("Pod", PLUGIN)
    offers_nothing(cluster)
    cluster.daemon_set["spec"]["template"]["spec"]["nodeSelector"] = {"accelerator": "nvidia"}


@spoils("plugin-everywhere", "its pod is missing")
def quota(cluster: Cluster) -> None:
    """Admission refuses its pods, or the controller is away."""
    cluster.remove("Pod", PLUGIN)


@spoils("plugin-running", "CrashLoopBackOff, 7 restarts")
def crashing(cluster: Cluster) -> None:
    """As the plugin does from 0.18 on."""
    waiting = {"name": "a", "restartCount": 7, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}
    cluster.plugin["status"] |= {"conditions": [], "containerStatuses": [waiting]}


@spoils("plugin-running", "nvidia-device-plugin-abcde on gpu-node: not ready")
def between_crashes(cluster: Cluster) -> None:
    """It runs, and is not ready."""
    cluster.plugin["status"]["conditions"] = []


@spoils("plugin-nvml", "device plugin cannot load NVML on gpu-node: could not load NVML library: libnvidia-ml.so.1")
def incident(cluster: Cluster) -> None:
    """The incident, as 0.14 tells it; it was made while the webhook was away."""
    cluster.blind_plugin(
        'E0101 12:00:00.000000 1 factory.go:115] "Incompatible platform detected"\n'
        "could not load NVML library: libnvidia-ml.so.1: cannot open shared object file: No such file or directory\n"
        "No devices found. Waiting indefinitely.\n".partition("\n")[2]
    )


@spoils("plugin-nvml", "fix: kubectl -n kube-system delete pod nvidia-device-plugin-abcde")
def incident_of_017(cluster: Cluster) -> None:
    """As 0.17 tells it."""
    cluster.blind_plugin("E1 factory.go:112] Incompatible strategy detected auto\nNo devices found.")


@spoils("plugin-nvml", "run there: containerd config dump | grep default_runtime_name")
def incident_on_containerd_1(cluster: Cluster) -> None:
    """Its administrator may believe that NVIDIA's runtime is the default."""
    cluster.blind_plugin("E1 Failed to initialize NVML: ERROR_LIBRARY_NOT_FOUND")
    cluster.node["status"]["nodeInfo"]["containerRuntimeVersion"] = "containerd://1.7.28"


@spoils("plugin-nvml", "fix: if gpu-node has a GPU: kubectl label node gpu-node nvidia.com/gpu.present=true")
def incident_without_label(cluster: Cluster) -> None:
    """Nothing shows the GPU, so that the webhook would leave the next one alone as well."""
    cluster.blind_plugin("E1 Failed to initialize NVML: ERROR_LIBRARY_NOT_FOUND")
    cluster.node["metadata"]["labels"] = {}
    cluster.node["status"] |= {"allocatable": {}, "capacity": {}, "runtimeHandlers": []}


@spoils("plugin-nvml", "gives nothing to this unprivileged container")
def incident_under_class(cluster: Cluster) -> None:
    """The class was set, and its handler brings nothing to a container without privileges."""
    cluster.blind_plugin("Detected non-NVML platform: could not load NVML library")
    cluster.plugin["spec"]["runtimeClassName"] = "nvidia"


@spoils("plugin-nvml", "its RuntimeClass brings no driver on gpu-node")
def privileged_under_class(cluster: Cluster) -> None:
    """Even with privileges nothing comes."""
    incident_under_class(cluster)
    cluster.plugin["spec"]["containers"][0]["securityContext"] = {"privileged": True}


@spoils("plugin-nvml", "gpu-injector mounted /usr/lib/x86_64-linux-gnu of gpu-node, which has no NVML")
def our_mount(cluster: Cluster) -> None:
    """The mount is ours, and the doctor says so."""
    pod = cluster.blind_plugin("could not load NVML library")
    mounts_nvml(pod)
    pod["spec"]["volumes"][0]["name"] = pod["spec"]["containers"][0]["volumeMounts"][0]["name"] = "gpu-injector-nvml"
    pod["metadata"]["annotations"] = {"gpu-injector.io/decision": "bootstrap/nvml"}


@spoils("plugin-nvml", "without a registry: docs/image.md), then kubectl -n kube-system delete pod")
def incident_without_us(cluster: Cluster) -> None:
    """Before anything is installed, doctor explains what would help."""
    incident_with_emergency(cluster)
    cluster.remove("ValidatingWebhookConfiguration", "gpu-injector")
    cluster.remove("Deployment", "gpu-injector")


@spoils("plugin-nvml", "deploy/install.yaml | kubectl apply -f -, then kubectl -n kube-system delete pod")
def incident_with_emergency(cluster: Cluster) -> None:
    """The registration was deleted, and the replicas still run."""
    cluster.blind_plugin("could not load NVML library")
    cluster.remove("MutatingWebhookConfiguration", "gpu-injector")


@spoils("plugin-nvml", "add monitoring to `bootstrap.namespaces`")
def incident_elsewhere(cluster: Cluster) -> None:
    """The plugin stands where the policy does not believe it."""
    pod, owner = cluster.blind_plugin("could not load NVML library"), cluster.daemon_set
    pod["metadata"]["namespace"] = owner["metadata"]["namespace"] = "monitoring"


@spoils("plugin-nvml", "cannot load NVML on cpu-node", State.WARN)
def static_manifest(cluster: Cluster) -> None:
    """It runs on a node without a GPU, too, where the other nodes are well."""
    blind_on_cpu_node(cluster)


@spoils("plugin-driver", "gpu-node: Driver/library version mismatch")
def driver_mismatch(cluster: Cluster) -> None:
    """The driver was upgraded and the node not rebooted."""
    cluster.blind_plugin("Failed to initialize NVML\nDriver/library version mismatch")


@spoils("plugin-devices", "gpu-node: No devices found. Waiting indefinitely.")
def no_devices(cluster: Cluster) -> None:
    """NVML loads, and there is no GPU."""
    cluster.blind_plugin("Detected NVML platform: found NVML library\nNo devices found. Waiting indefinitely.")


@spoils("plugin-restart", "now it would be bootstrap/runtime-class")
def made_before(cluster: Cluster) -> None:
    """A plugin pod stays as it was made."""
    cluster.blind_plugin()


@spoils("plugin-left-alone", "would be leave/no-gpu-evidence")
def no_evidence(cluster: Cluster) -> None:
    """The node of the incident without its label."""
    cluster.blind_plugin()
    cluster.node["metadata"]["labels"] = {}
    cluster.node["status"] |= {"allocatable": {}, "capacity": {}, "runtimeHandlers": []}


@spoils("plugin-left-alone", "on cpu-node would be leave/no-gpu-evidence", State.WARN)
def plugin_on_cpu_node(cluster: Cluster) -> None:
    """It is right to leave that one alone, unless the node has a GPU."""
    blind_on_cpu_node(cluster)


@spoils("plugin-left-alone", "would be leave/driver-unknown")
def unknown_driver(cluster: Cluster) -> None:
    """Nothing is known of the node's system, and its runtime is not NVIDIA's."""
    cluster.blind_plugin()
    cluster.node["status"]["nodeInfo"]["osImage"] = "Flatcar Container Linux"
    cluster.node["status"]["runtimeHandlers"] = []


@spoils("plugin-config-file", "DaemonSet kube-system/nvidia-device-plugin reads CONFIG_FILE", State.WARN)
def config_file(cluster: Cluster) -> None:
    """Its strategy stands in a ConfigMap."""
    container = cluster.daemon_set["spec"]["template"]["spec"]["containers"][0]
    container["env"] = [{"name": "CONFIG_FILE", "value": "/config/config.yaml"}]


@spoils("plugin-namespace", "only plugins in nvidia are helped", State.WARN)
def elsewhere(cluster: Cluster) -> None:
    """The policy believes another namespace."""
    cluster.policy = Policy(bootstrap=Bootstrap(namespaces=("nvidia",)))


@spoils("plugin-once", "gpu-node runs 2 device plugins")
def twice(cluster: Cluster) -> None:
    """Two charts."""
    other = deepcopy(cluster.plugin)
    other["metadata"]["name"] = "another-plugin"
    cluster.add(other)


@spoils("plugin-passes-devices", "has NVML by a mount and passes no devices", State.WARN)
def no_specs(cluster: Cluster) -> None:
    """NVML came by hand, and PASS_DEVICE_SPECS did not."""
    mounts_nvml(cluster.blind_plugin())
