"""Reports about GPU pods that wait, that are refused, or that do not start."""

from support.doctor_cases.changes import unschedulable
from support.doctor_world import GPU, Cluster, event
from support.reported_clusters.table import CLI, FAIL, TASK, WARN, pod_fails, pod_rejected, report


@report(
    "kubeadm",
    "NVIDIA/k8s-device-plugin, failRequestsGreaterThanOne",
    pods_not_starting=(WARN, "request 1 of nvidia.com/gpu"),
    event_allocation=(FAIL, "request 1 of nvidia.com/gpu"),
)
def two_of_a_shared_gpu(cluster: Cluster) -> None:
    """The plugin refuses more than one."""
    said = "request for 'nvidia.com/gpu: 2' too large: maximum request size for shared resources is 1"
    pod_rejected(cluster, "UnexpectedAdmissionError", f"Allocate failed due to rpc error: {said}, which is unexpected")


@report(
    "kubeadm",
    "kubernetes/kubernetes#97131",
    pods_not_starting=(WARN, "the node lost a GPU"),
    event_xid=(FAIL, "the node lost a GPU"),
)
def lost_gpu(cluster: Cluster) -> None:
    """The plugin cannot list its GPUs any more."""
    said = "error creating nvml.Device 5: nvml: GPU is lost, which is unexpected"
    pod_rejected(cluster, "UnexpectedAdmissionError", f"Allocate failed due to rpc error: {said}")


@report(
    "kubeadm",
    "kubernetes: topologyManagerPolicy single-numa-node",
    pods_not_starting=(WARN, "topologyManagerPolicy is too strict"),
    event_allocation=(FAIL, "topologyManagerPolicy is too strict"),
)
def topology(cluster: Cluster) -> None:
    """No NUMA node has GPUs and CPUs enough."""
    pod_rejected(cluster, "TopologyAffinityError", "Resources cannot be allocated with Topology locality")


@report(
    "kubeadm",
    "MauriceNino/dashdot#1226, nvidia-container-toolkit#152",
    pods_not_starting=(WARN, "the node's driver is older than the image needs"),
)
def old_driver(cluster: Cluster) -> None:
    """The image needs a newer driver."""
    said = f"{CLI}requirement error: unsatisfied condition: cuda>=12.8, please update your driver to a newer version"
    pod_fails(cluster, "CrashLoopBackOff", said, ended="StartError")


@report(
    "kubeadm",
    "many: nvidia-smi not found in $PATH",
    pods_not_starting=(WARN, "the container does not run under NVIDIA's runtime"),
)
def no_nvidia_smi(cluster: Cluster) -> None:
    """A Job's container that is not started again."""
    said = f'{TASK}exec: "nvidia-smi": executable file not found in $PATH: unknown'
    ended = {"terminated": {"reason": "StartError", "exitCode": 128, "message": said}}
    cluster.pod["status"] = {"phase": "Failed", "containerStatuses": [{"name": "main", "state": ended}]}


@report(
    "kubeadm",
    "dstackai/dstack#4004, libnvidia-container#388",
    pods_not_starting=(WARN, "nvidia-modprobe -u -m creates /dev/nvidia-modeset"),
)
def no_device_node(cluster: Cluster) -> None:
    """The CDI specification names a device that is not there."""
    said = (
        'CDI device injection failed: failed to stat CDI host device "/dev/nvidia-modeset": no such file or directory'
    )
    pod_fails(cluster, "CreateContainerError", f"failed to generate container spec: {said}")


@report(
    "kubeadm",
    "NVIDIA/nvidia-container-toolkit#223 (gpushare without its scheduler)",
    pods_not_starting=(WARN, "a sharing plugin needs its own scheduler"),
)
def no_gpu_of_that_name(cluster: Cluster) -> None:
    """The plugin gives the name of no GPU."""
    pod_fails(cluster, "RunContainerError", f"{CLI}device error: no-gpu-has-128MiB-to-run: unknown device: unknown")


@report(
    "kubeadm",
    "NVIDIA/nvidia-docker#1551",
    pods_not_starting=(WARN, "the image contains files of a driver"),
)
def driver_in_image(cluster: Cluster) -> None:
    """The image was built under NVIDIA's runtime."""
    said = f"{CLI}mount error: file creation failed: /merged/usr/lib/libnvidia-ml.so.1: file exists: unknown"
    pod_fails(cluster, "RunContainerError", said)


@report(
    "openshift",
    "NVIDIA/gpu-operator#1598",
    pods_not_starting=(WARN, "on the node: nvidia-smi; then nvidia-container-cli"),
)
def hook_fails_under_crun(cluster: Cluster) -> None:
    """Newer crun, older hook."""
    said = "error executing hook `/usr/local/nvidia/toolkit/nvidia-container-runtime-hook` (exit code: 1)"
    pod_fails(cluster, "CreateContainerError", f"container create failed: {said}")


@report("kubeadm", "arm64 nodes and amd64 images", pods_not_starting=(WARN, "not built for the node's architecture"))
def other_architecture(cluster: Cluster) -> None:
    """GB200 and Jetson have arm64."""
    said = 'Back-off pulling image "vllm/x": ErrImagePull: no match for platform in manifest: not found'
    pod_fails(cluster, "ImagePullBackOff", said)


@report("kubeadm", "large images", pods_not_starting=(WARN, "the node's disk is full"))
def disk_full(cluster: Cluster) -> None:
    """CUDA images have many gigabytes."""
    pod_fails(
        cluster, "ErrImagePull", "failed to pull and unpack image: failed to extract layer: no space left on device"
    )


@report("kubeadm", "model servers", pods_not_starting=(WARN, "raise limits.memory"))
def out_of_memory(cluster: Cluster) -> None:
    """The model is larger than the limit."""
    pod_fails(cluster, "CrashLoopBackOff", "", ended="OOMKilled", code=137)


@report(
    "kubeadm",
    "NVIDIA/k8s-device-plugin#397, kai-scheduler#1876",
    pods_pending=(WARN, "no node offers nvidia.com/gpu; the nodes offer nvidia.com/mig-1g.5gb"),
)
def gpu_where_mig_is_offered(cluster: Cluster) -> None:
    """All GPUs of the node are in MIG mode, strategy mixed."""
    for name in ("capacity", "allocatable"):
        cluster.node["status"][name] = {"cpu": "16", GPU: "0", "nvidia.com/mig-1g.5gb": "7"}
    unschedulable(cluster, "0/1 nodes are available: 1 Insufficient nvidia.com/gpu.")


@report(
    "kubeadm",
    "NVIDIA/k8s-device-plugin#102, microsoft/pai#2118",
    pods_pending=(WARN, "it requests 8 nvidia.com/gpu, and no node has more than 2"),
)
def more_than_any_node(cluster: Cluster) -> None:
    """No node is that large."""
    cluster.pod["spec"]["containers"][0]["resources"]["limits"][GPU] = "8"
    unschedulable(cluster, "0/1 nodes are available: 1 Insufficient nvidia.com/gpu.")


@report(
    "kubeadm",
    "Project-HAMi/HAMi, volcano: schedulerName of a scheduler that is not installed",
    pods_pending=(WARN, 'does the scheduler "hami-scheduler" run?'),
)
def no_scheduler(cluster: Cluster) -> None:
    """The pod is Pending without any event."""
    del cluster.pod["spec"]["nodeName"]
    cluster.pod["spec"]["schedulerName"] = "hami-scheduler"
    cluster.pod["status"] = {"phase": "Pending"}


@report("kubeadm", "node selectors of other clouds", pods_pending=(WARN, "didn't match Pod's node affinity/selector"))
def selector_matches_no_node(cluster: Cluster) -> None:
    """The manifest is another cloud's."""
    unschedulable(cluster, "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.")


@report("kubeadm", "LimitRange", event_refused=(FAIL, "kubectl describe limitrange -n ml"))
def limit_range(cluster: Cluster) -> None:
    """The namespace allows one GPU for each container."""
    said = 'pods "a" is forbidden: maximum nvidia.com/gpu usage per Container is 1, but limit is 2'
    cluster.add(event(f"Error creating: {said}", reason="FailedCreate"))


@report("kubeadm", "fractions of GPUs", event_refused=(FAIL, "GPUs are whole numbers"))
def half_a_gpu(cluster: Cluster) -> None:
    """Half a GPU cannot be requested."""
    field = "spec.containers[0].resources.limits[nvidia.com/gpu]"
    said = f'Pod "a" is invalid: {field}: Invalid value: "500m": must be an integer'
    cluster.add(event(f"Error creating: {said}", reason="FailedCreate"))


@report(
    "kubeadm",
    "NVIDIA/k8s-device-plugin: resources renamed in the plugin's configuration",
    gpu_resources=(WARN, "gpu-node offers nvidia.com/a100, which the policy does not name"),
)
def renamed_resource(cluster: Cluster) -> None:
    """Pods request nvidia.com/a100, and nothing helps them."""
    for name in ("capacity", "allocatable"):
        cluster.node["status"][name] = {"cpu": "16", "nvidia.com/a100": "2"}


@report(
    "kubeadm",
    "NVIDIA/nvidia-container-toolkit#48: CUDA in a pod that runs",
    pods_not_starting=(WARN, "the container lost its devices, as after systemctl daemon-reload"),
)
def pod_lost_its_devices(cluster: Cluster) -> None:
    """The container's last words are in its status."""
    pod_fails(cluster, "CrashLoopBackOff", "Failed to initialize NVML: Unknown Error", ended="Error", code=255)
