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
