"""Reports about driver, container runtime, GPU Operator and DRA."""

from support.doctor_cases.changes import offers_nothing
from support.doctor_world import Cluster
from support.reported_clusters.table import (
    CLI,
    FAIL,
    WARN,
    nothing_offered,
    plugin_fails,
    plugin_waits,
    report,
    support_pod,
    waiting,
)


@report(
    "microk8s",
    "canonical/microk8s-core-addons#251",
    gpus_allocatable=(FAIL, "gpu-node offers none"),
    plugin_running=(FAIL, "(see gpu-stack)"),
    gpu_stack=(FAIL, "NVIDIA's runtime finds no driver on the node"),
    gpu_operator=(FAIL, "notReady"),
)
def validator_without_driver(cluster: Cluster) -> None:
    """The addon's operator finds no driver, and everything waits for its toolkit."""
    plugin_waits(cluster)
    said = f"{CLI}initialization error: load library failed: libnvidia-ml.so.1: cannot open shared object file"
    failed = waiting("CrashLoopBackOff", said, ended="StartError", code=128, name="toolkit-validation")
    support_pod(cluster, "app=nvidia-operator-validator", failed, place="gpu-operator-resources")


@report(
    "gpu-operator-cdi",
    "NVIDIA/gpu-operator#679",
    gpus_allocatable=(FAIL, "gpu-node offers none"),
    plugin_running=(FAIL, "waits for its init container toolkit-validation"),
    gpu_stack=(FAIL, "the node refuses access to its GPUs"),
    gpu_operator=(FAIL, "notReady"),
)
def operator_without_permission(cluster: Cluster) -> None:
    """SELinux, or wrong rights of /dev/nvidia*."""
    plugin_waits(cluster)
    failed = waiting(
        "CrashLoopBackOff", f"{CLI}initialization error: nvml error: insufficient permissions", ended="StartError"
    )
    support_pod(cluster, "app=nvidia-operator-validator", failed)


@report(
    "gpu-operator-cdi",
    "siderolabs/talos#8402",
    gpus_allocatable=(FAIL, "gpu-node offers none"),
    plugin_running=(FAIL, "logs nvidia-driver-daemonset-x1"),
    gpu_stack=(FAIL, "there are no headers for the node's kernel"),
    gpu_operator=(FAIL, "notReady"),
)
def driver_without_headers(cluster: Cluster) -> None:
    """The driver's container cannot build its modules; the toolkit and the validator wait for it."""
    plugin_waits(cluster)
    log = "E: Unable to locate package linux-objects-nvidia-535-server-6.1.51-talos\n"
    support_pod(cluster, "app=nvidia-driver-daemonset", waiting("CrashLoopBackOff", ended="Error"), log=log)
    support_pod(cluster, "app=nvidia-container-toolkit-daemonset", {"name": "init", "state": {"running": {}}})
    support_pod(cluster, "app=nvidia-operator-validator", {"name": "init", "state": {"running": {}}})


@report(
    "gpu-operator-cdi",
    "NVIDIA/gpu-operator#1361 and others: Secure Boot",
    gpus_allocatable=(FAIL, "gpu-node offers none"),
    plugin_running=(FAIL, "logs nvidia-driver-daemonset-x1"),
    gpu_stack=(FAIL, "Secure Boot refuses the driver's module"),
    gpu_operator=(FAIL, "notReady"),
)
def driver_under_secure_boot(cluster: Cluster) -> None:
    """The kernel refuses a module without signature."""
    plugin_waits(cluster)
    log = "modprobe: ERROR: could not insert 'nvidia': Key was rejected by service\n"
    support_pod(cluster, "app=nvidia-driver-daemonset", waiting("CrashLoopBackOff", ended="Error"), log=log)


@report(
    "gpu-operator-cdi",
    "NVIDIA/gpu-operator#1623",
    gpus_allocatable=(FAIL, "gpu-node offers none"),
    plugin_running=(FAIL, "logs nvidia-driver-daemonset-x1"),
    gpu_stack=(FAIL, "the driver's image does not exist for this system or version"),
    gpu_operator=(FAIL, "notReady"),
)
def driver_without_image(cluster: Cluster) -> None:
    """NVIDIA publishes no image for the node's system."""
    plugin_waits(cluster)
    said = 'Back-off pulling image "nvcr.io/nvidia/driver:570.172.08-cos121": not found'
    support_pod(cluster, "app=nvidia-driver-daemonset", waiting("ImagePullBackOff", said))


@report(
    "gpu-operator-cdi",
    "NVIDIA/gpu-operator#413, #549",
    gpus_allocatable=(FAIL, "gpu-node offers none"),
    plugin_running=(FAIL, "logs nvidia-container-toolkit-daemonset-x1"),
    gpu_stack=(FAIL, "set CONTAINERD_CONFIG and CONTAINERD_SOCKET"),
    gpu_operator=(FAIL, "notReady"),
)
def toolkit_at_wrong_socket(cluster: Cluster) -> None:
    """On k3s and others the runtime's socket is elsewhere."""
    plugin_waits(cluster)
    said = "unable to dial: dial unix /runtime/sock-dir/containerd.sock: connect: no such file or directory"
    log = f'level=error msg="error running nvidia-toolkit: {said}"\n'
    support_pod(cluster, "app=nvidia-container-toolkit-daemonset", waiting("CrashLoopBackOff", ended="Error"), log=log)


@report(
    "gpu-operator-cdi",
    "NVIDIA/gpu-operator: H100 without fabric manager",
    gpu_stack=(WARN, "the fabric manager does not run"),
)
def no_fabric_manager(cluster: Cluster) -> None:
    """The plugin works, and CUDA does not."""
    log = "Failed to allocate device vector A (error code system not yet initialized)!\n[Vector addition] failed\n"
    support_pod(cluster, "app=nvidia-operator-validator", waiting("CrashLoopBackOff", ended="Error"), log=log)


@report(
    "gke",
    "GoogleCloudPlatform/container-engine-accelerators#104",
    gpus_allocatable=(FAIL, "gpu-node offers none"),
    plugin_running=(FAIL, "Pending"),
    gpu_stack=(FAIL, "driver kube-system/nvidia-driver-installer-x1 on gpu-node: CrashLoopBackOff"),
)
def gke_installer_fails(cluster: Cluster) -> None:
    """Google's plugin waits for the driver's installer."""
    offers_nothing(cluster)
    cluster.plugin["status"] = {"phase": "Pending"}
    log = "ERROR: Failed to download the driver: signal: killed\n"
    failed = waiting("CrashLoopBackOff", ended="Error", code=32)
    support_pod(cluster, "k8s-app=nvidia-driver-installer", failed, log=log, place="kube-system")


@report(
    "k3s",
    "NVIDIA/k8s-device-plugin#712, #634",
    **nothing_offered(
        plugin_running=(FAIL, "CrashLoopBackOff, 7 restarts"),
        plugin_log=(FAIL, "the plugin waits for the MPS control daemon"),
        gpu_stack=(FAIL, "MPS control daemon"),
    ),
)
def mps_daemon_fails(cluster: Cluster) -> None:
    """The daemon runs under runc, and its programs are not there."""
    plugin_fails(cluster, "E1 main.go:301] Failed to start plugin: error waiting for MPS daemon: exit status 1\n")
    failed = waiting("CrashLoopBackOff", 'exec: "nvidia-cuda-mps-control": executable file not found', ended="Error")
    support_pod(cluster, "app=nvidia-device-plugin-mps-control-daemon", failed, place="kube-system")


@report(
    "talos",
    "siderolabs/extensions#101",
    **nothing_offered(plugin_running=(FAIL, "nvidia-container-toolkit does not fit the node's cgroups")),
)
def old_toolkit_and_new_cgroups(cluster: Cluster) -> None:
    """The toolkit is older than the kernel's cgroups."""
    said = f"{CLI}mount error: failed to add device rules: unable to generate new device filter program"
    plugin_fails(cluster, message=said, ended="StartError")


@report(
    "kubeadm",
    "NVIDIA/k8s-device-plugin#1400",
    **nothing_offered(plugin_running=(FAIL, "correct `ldconfig`")),
)
def ldconfig_fails(cluster: Cluster) -> None:
    """The legacy runtime runs another system's ldconfig."""
    said = f"{CLI}ldcache error: process /sbin/ldconfig terminated with signal 9"
    plugin_fails(cluster, message=said, ended="StartError")


@report(
    "talos",
    "siderolabs/talos#8713, #9187",
    **nothing_offered(plugin_running=(FAIL, "the driver's kernel module is not loaded")),
)
def modules_not_loaded(cluster: Cluster) -> None:
    """The extension is there, and machine.kernel.modules is not."""
    said = f"{CLI}initialization error: nvml error: driver not loaded"
    plugin_fails(cluster, message=said, ended="StartError")


@report(
    "dra",
    "kubernetes-sigs/dra-driver-nvidia-gpu#1201",
    dra=(FAIL, "no node has published a device"),
    gpu_stack=(FAIL, "its log says: error: nvidia-smi: failed to run"),
)
def dra_driver_without_driver(cluster: Cluster) -> None:
    """The DRA driver's pod does not find the driver on WSL2."""
    cluster.remove("ResourceSlice", "gpu-node-1")
    log = "error: nvidia-smi: failed to run, libnvidia-ml.so.1 not found at /driver-root\n"
    pod = support_pod(
        cluster, "nvidia-dra-driver-gpu-component=kubelet-plugin", waiting("CrashLoopBackOff", ended="Error"), log=log
    )
    pod["metadata"]["namespace"] = "kube-system"
