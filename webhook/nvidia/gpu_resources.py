"""Names of resources under which nodes offer NVIDIA GPUs, other than those of the policy.

Sharing plugins have resources of their own, and an administrator may rename those of NVIDIA's plugin. Sources: the
manifests of these plugins, and docs/platform-facts.md.
"""

from collections.abc import Callable, Mapping

from webhook.kube.quantity import is_positive
from webhook.nvidia.gpu_models import names_gpus
from webhook.nvidia.passthrough import PREFIX, is_passthrough_resource

# The resource of a plugin that shares GPUs by its own scheduler. Pods request it in place of nvidia.com/gpu.
SHARING_RESOURCES = frozenset(
    {
        *("volcano.sh/vgpu-number", "volcano.sh/vgpu-memory", "volcano.sh/gpu-number", "volcano.sh/gpu-memory"),
        *("aliyun.com/gpu-mem", "aliyun.com/gpu-count", "aliyun.com/gpu-core.percentage"),
        *("tencent.com/vcuda-core", "tencent.com/vcuda-memory"),
        *("tke.cloud.tencent.com/qgpu-core", "tke.cloud.tencent.com/qgpu-memory"),
        *("elasticgpu.io/gpu-core", "elasticgpu.io/gpu-memory"),
        *("koordinator.sh/gpu", "koordinator.sh/gpu-core", "koordinator.sh/gpu-memory", "koordinator.sh/gpu.shared"),
        *("vke.volcengine.com/mgpu-core", "vke.volcengine.com/mgpu-memory"),
        *("k8s.amazonaws.com/vgpu", "4paradigm.com/vgpu", "deepomatic.com/shared-gpu"),
        *("cloud.baidu.com/gpu", "baidu.com/cgpu"),
    }
)
# Others with NVIDIA's prefix: parts of a GPU that HAMi counts, and network devices.
NOT_GPUS = (
    *("nvidia.com/gpumem", "nvidia.com/gpucores", "nvidia.com/priority", "nvidia.com/gpumem-percentage"),
    *("nvidia.com/hostdev", "nvidia.com/rdma", "nvidia.com/sriov", "nvidia.com/mlnx", "nvidia.com/ib", "nvidia.com/bf"),
    *("nvidia.com/roce", "nvidia.com/nic", "nvidia.com/cc."),
)


def is_sharing_resource(name: str) -> bool:
    """Say whether a resource is that of a plugin which shares GPUs by its own scheduler."""
    return name in SHARING_RESOURCES


def may_be_renamed_gpu(name: str) -> bool:
    """Say whether a resource of NVIDIA's may be a GPU for containers under a name of the administrator's."""
    return name.startswith(PREFIX) and not is_passthrough_resource(name) and not name.startswith(NOT_GPUS)


def is_renamed_gpu(name: str) -> bool:
    """Say whether a resource of NVIDIA's is a GPU under another name: it speaks of GPUs, or names a model."""
    return may_be_renamed_gpu(name) and names_gpus(name.removeprefix(PREFIX))


def offers_gpus(quantities: Mapping[str, str], is_gpu_resource: Callable[[str], bool]) -> bool | None:
    """Say whether a node's quantities have a GPU for containers; None where a resource may be one under another name.

    ``is_gpu_resource`` says which names are those of the policy.
    """
    positive = [name for name, amount in quantities.items() if is_positive(amount)]
    if any(is_gpu_resource(name) or is_renamed_gpu(name) for name in positive):
        return True
    return None if any(is_sharing_resource(name) or may_be_renamed_gpu(name) for name in positive) else False
