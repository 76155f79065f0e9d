"""Clusters spoilt for the checks of events."""

from support.doctor_cases.table import spoils
from support.doctor_world import Cluster, event


@spoils(
    "event-no-runtime", 'Pod ml/model on gpu-node: Failed to create pod sandbox: rpc error: no runtime for "nvidia"'
)
def no_runtime(cluster: Cluster) -> None:
    """K3s makes the class where the runtime is not."""
    cluster.add(event('Failed to create pod sandbox: rpc error: no runtime for "nvidia" is configured'))


@spoils("event-cdi", "the GPU Operator hands GPUs out by CDI: remove runtimeClassName from the pod")
def management_device(cluster: Cluster) -> None:
    """The operator's own devices are not the runtime's."""
    cluster.add(event("unresolvable CDI devices management.nvidia.com/gpu=GPU-1", reason="Failed"))


@spoils("event-cdi", "set NVIDIA_VISIBLE_DEVICES=void, not none")
def none_device(cluster: Cluster) -> None:
    """In CDI mode there is no device of that name."""
    cluster.add(event("unresolvable CDI devices nvidia.com/gpu=none", reason="Failed"))


@spoils("event-cdi", "nvidia-ctk cdi generate")
def no_specification(cluster: Cluster) -> None:
    """The node has no specification."""
    cluster.add(event("unresolvable CDI devices nvidia.com/gpu=0", reason="Failed"))


@spoils("event-library", "/usr/lib64/libnvidia-ml.so.1 is not a file")
def no_library(cluster: Cluster) -> None:
    """A mount of a file that is not there keeps the pod waiting."""
    message = 'MountVolume.SetUp failed for volume "gpu-injector-nvml" : hostPath type check failed: '
    cluster.add(event(f"{message}/usr/lib64/libnvidia-ml.so.1 is not a file", reason="FailedMount"))


@spoils("event-no-class", "create RuntimeClass nvidia")
def rejected(cluster: Cluster) -> None:
    """A controller cannot make its pods."""
    message = 'Error creating: pods "a" is forbidden: pod rejected: RuntimeClass "nvidia" not found'
    cluster.add(event(message, reason="FailedCreate"))


@spoils("event-allocation", "no healthy devices present; cannot allocate unhealthy devices nvidia.com/gpu")
def unhealthy(cluster: Cluster) -> None:
    """The plugin's devices are not healthy any more."""
    message = "Allocate failed due to no healthy devices present; cannot allocate unhealthy devices nvidia.com/gpu"
    cluster.add(event(message, reason="UnexpectedAdmissionError"))


@spoils("event-runtime-hook", "nvidia-container-cli: initialization error: nvml error: driver not loaded")
def hook(cluster: Cluster) -> None:
    """NVIDIA's runtime cannot prepare the container."""
    message = "error running hook #0: nvidia-container-cli: initialization error: nvml error: driver not loaded"
    cluster.add(event(message, reason="Failed"))


@spoils("event-library", "gpu-injector mounted this file")
def our_file(cluster: Cluster) -> None:
    """The volume's name says that the mount is ours."""
    why = "hostPath type check failed: /usr/lib64/libcuda.so.1 is not a file"
    said = f'MountVolume.SetUp failed for volume "gpu-injector-0" : {why}'
    cluster.add(event(said, reason="FailedMount"))


@spoils("event-allocation", "the device plugin had no free and healthy device")
def unexpected_admission_error(cluster: Cluster) -> None:
    """The plugin refused."""
    said = (
        "Allocate failed due to requested number of devices unavailable for nvidia.com/gpu. Requested: 1, Available: 0"
    )
    cluster.add(event(said, reason="UnexpectedAdmissionError"))


@spoils("event-claim", "see the pods of the DRA driver on the node")
def unprepared_claim(cluster: Cluster) -> None:
    """The DRA driver's pod is away."""
    cluster.add(event("Failed to prepare dynamic resources: no driver", reason="FailedPrepareDynamicResources"))


@spoils("event-mount", "another volume of the pod covers /usr/lib64/libcuda.so.1")
def covered_library(cluster: Cluster) -> None:
    """The author mounts a ConfigMap above it."""
    said = (
        'failed to create containerd task: error mounting "/usr/lib64/libcuda.so.1" to rootfs at '
        '"/usr/lib64/libcuda.so.1": read-only file system'
    )
    cluster.add(event(said, reason="Failed"))


@spoils("event-refused", "raise ResourceQuota gpus: kubectl describe resourcequota -n ml")
def quota(cluster: Cluster) -> None:
    """The namespace's GPUs are all requested."""
    said = 'pods "model" is forbidden: exceeded quota: gpus, requested: requests.nvidia.com/gpu=1, used: 2, limited: 2'
    cluster.add(event(said, reason="FailedCreate"))


@spoils("event-refused", "until then: kubectl label namespace ml gpu-injector.io/inject=dry-run")
def our_mount_refused(cluster: Cluster) -> None:
    """PodSecurity refuses what we added: the fix takes our patch away at once."""
    said = 'violates PodSecurity "baseline:latest": hostPath volumes (volumes "gpu-injector-0")'
    cluster.add(event(said, reason="FailedCreate"))


@spoils("event-runtime-hook", "which is not there")
def missing_binary(cluster: Cluster) -> None:
    """The handler is configured, and the toolkit is gone."""
    cluster.add(event("fork/exec /usr/bin/nvidia-container-runtime: no such file or directory"))


@spoils("event-runtime-hook", "the specification names a program that is not there")
def missing_hook(cluster: Cluster) -> None:
    """The CDI specification is older than the toolkit."""
    cluster.add(event("fork/exec /usr/bin/nvidia-cdi-hook: no such file or directory", reason="Failed"))


@spoils("event-no-runtime", "RuntimeHandler")
def cri_dockerd(cluster: Cluster) -> None:
    """In cri-dockerd's words."""
    cluster.add(event('RuntimeHandler "nvidia" not supported'))


@spoils("event-no-runtime", "failed to find runtime handler nvidia")
def crio(cluster: Cluster) -> None:
    """In CRI-O's words."""
    cluster.add(event("failed to find runtime handler nvidia from runtime list map[runc:0xc00044e460]"))


@spoils("event-xid", "on the node: dmesg | grep -i xid; restart its device plugin's pod")
def xid(cluster: Cluster) -> None:
    """As node-problem-detector copies it from the kernel's log."""
    cluster.add(event("NVRM: Xid (PCI:0000:65:00): 48, pid=1234, DBE (double bit error)", reason="NvidiaXid"))
