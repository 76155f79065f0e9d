"""Which labels of a node show that it has an NVIDIA GPU, and which show that it has none for containers.

Only the kubelet, controllers and administrators can write a node's labels. Sources: docs/platform-facts.md.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from webhook.nvidia.gpu_models import is_nvidia_instance_type, is_nvidia_model, names_nvidia


class LabelEvidence(StrEnum):
    """What a label shows, the strongest first."""

    AGAINST = "against"
    """No GPU, a simulated one, or one that virtual machines use."""
    GPU = "gpu"
    """Feature discovery, a cloud, an autoscaler or the administrator says that there is a GPU of NVIDIA."""
    PCI = "pci"
    """NFD sees a PCI device of NVIDIA. Whether it has a driver is not known."""
    TEGRA = "tegra"
    """NFD sees a processor of NVIDIA, which has a GPU inside."""


FALSE_VALUES = frozenset({"", "false", "no", "off", "0", "none", "disable", "disabled", "absent", "unknown"})

PRESENT_LABEL = "nvidia.com/gpu.present"
COUNT_LABEL = "nvidia.com/gpu.count"
WORKLOAD_LABEL = "nvidia.com/gpu.workload.config"
TEGRA_LABEL = "feature.node.kubernetes.io/cpu-model.vendor_id"
INSTANCE_TYPE_LABELS = ("node.kubernetes.io/instance-type", "beta.kubernetes.io/instance-type")

# A value other than a false one shows a GPU. GPU feature discovery writes these only where NVML finds a device:
# https://github.com/NVIDIA/k8s-device-plugin/tree/main/docs/gpu-feature-discovery#generated-labels
GPU_KEYS = frozenset(
    {
        "nvidia.com/gpu",
        "nvidia.com/gpu.product",
        "nvidia.com/gpu.family",
        "nvidia.com/gpu.memory",
        "nvidia.com/gpu.compute.major",
        "nvidia.com/cuda.driver.major",
        "nvidia.com/cuda.driver-version.major",
        "nvidia.com/cuda.driver-version.full",
        "nvidia.com/mig.capable",
        # Tencent Kubernetes Engine.
        "nvidia-device-enable",
        "qgpu-device-enable",
        # Nebius has no GPUs of other vendors.
        "nebius.com/gpu",
    }
)
# Of these a false value shows something: nothing else of the list is written for a node without a GPU.
DENYING_KEYS = frozenset({PRESENT_LABEL, COUNT_LABEL, "nvidia.com/gpu"})
# Alibaba Cloud, CoreWeave.
GPU_KEY_PREFIXES = ("aliyun.accelerator/nvidia_", "gpu.nvidia.com/")
# The value is a model, of any vendor.
MODEL_KEYS = frozenset(
    {
        "cloud.google.com/gke-accelerator",
        "k8s.amazonaws.com/accelerator",
        "karpenter.k8s.aws/instance-gpu-name",
        "eks.amazonaws.com/instance-gpu-name",
        "karpenter.azure.com/sku-gpu-name",
        "karpenter.k8s.gcp/instance-gpu-name",
        "doks.digitalocean.com/gpu-model",
        "skypilot.co/accelerator",
        "cluster-api/accelerator",
        "nebius.com/gpu-name",
    }
)
# A simulator gives such a node labels and resources of GPUs that do not exist: https://github.com/run-ai/fake-gpu-operator
SIMULATED_KEYS = frozenset({"run.ai/simulated-gpu-node-pool"})
# The GPU Operator puts these on nodes whose GPUs it hands to virtual machines.
VIRTUAL_MACHINE_KEYS = frozenset(
    {
        "nvidia.com/gpu.deploy.vfio-manager",
        "nvidia.com/gpu.deploy.vgpu-manager",
        "nvidia.com/gpu.deploy.vgpu-device-manager",
        "nvidia.com/gpu.deploy.sandbox-device-plugin",
        "nvidia.com/gpu.deploy.kata-sandbox-device-plugin",
    }
)
AWS_PREFIXES = (
    "eks.amazonaws.com/",
    "karpenter.k8s.aws/",
    "topology.ebs.csi.aws.com/",
    "topology.k8s.aws/",
    "k8s.io/cloud-provider-aws",
    "alpha.eksctl.io/",
)
ZONE_LABELS = ("topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone")
# us-east-1a. Google's zones have a hyphen before the letter: us-east1-b.
AWS_ZONE = re.compile(r"[a-z]{2}(?:-gov|-iso[a-z]?)?-(?:north|south|east|west|central|northeast|southeast)-\d[a-z]")

# NFD names PCI devices by class and vendor; NVIDIA's vendor is 10de. Classes 03 (display), 0b40 (co-processor) and
# 12 (accelerator) are GPUs; NVIDIA also has sound, USB and network devices.
# https://kubernetes-sigs.github.io/node-feature-discovery/stable/usage/features.html#pci
PCI_LABEL = re.compile(
    r"feature\.node\.kubernetes\.io/pci-(?:(?:03|0b40|12)[0-9a-f]{0,2}_)?10de(?:_[0-9a-f_]{1,24})?\.present"
)


@dataclass(frozen=True, slots=True)
class GpuLabels:
    """What a node's labels show, each as ``key=value``."""

    gpu: tuple[str, ...] = ()
    pci: tuple[str, ...] = ()
    tegra: tuple[str, ...] = ()
    against: tuple[str, ...] = ()

    @property
    def show_gpu(self) -> bool:
        """Say whether the labels show a GPU for containers; a label against it outweighs all others."""
        return bool(self.gpu or self.pci or self.tegra) and not self.against


def gpu_labels(labels: Mapping[str, str]) -> GpuLabels:
    """Sort the labels of a node by what they show."""
    found: dict[LabelEvidence, list[str]] = {}
    for key, value in labels.items():
        if _may_show_gpu(key) and (evidence := label_evidence(key, value)) is not None:
            found.setdefault(evidence, []).append(f"{key}={value}")
    found.setdefault(LabelEvidence.GPU, []).extend(_instance_types(labels))
    return GpuLabels(
        gpu=tuple(sorted(found.get(LabelEvidence.GPU, ()))),
        pci=tuple(sorted(found.get(LabelEvidence.PCI, ()))),
        tegra=tuple(sorted(found.get(LabelEvidence.TEGRA, ()))),
        against=tuple(sorted(found.get(LabelEvidence.AGAINST, ()))),
    )


@lru_cache(maxsize=4096)
def _may_show_gpu(key: str) -> bool:
    # Nodes have a hundred labels, and nearly all have the same keys.
    return mentions_gpu(key) or key == TEGRA_LABEL or "nvidia" in key or PCI_LABEL.fullmatch(key) is not None


def label_evidence(key: str, value: str) -> LabelEvidence | None:
    """Return what one label shows, None for nothing."""
    is_false = value.strip().lower() in FALSE_VALUES
    if key in SIMULATED_KEYS or _is_for_virtual_machines(key, value, is_false=is_false):
        return LabelEvidence.AGAINST
    if is_false and key in DENYING_KEYS and value:
        return LabelEvidence.AGAINST
    if is_false:
        return None
    if key == TEGRA_LABEL:
        return LabelEvidence.TEGRA if value.lower() == "nvidia" else None
    if PCI_LABEL.fullmatch(key):
        return LabelEvidence.PCI if value == "true" else None
    return LabelEvidence.GPU if _shows_gpu(key, value) else None


def _is_for_virtual_machines(key: str, value: str, *, is_false: bool) -> bool:
    return (key == WORKLOAD_LABEL and value.startswith("vm-")) or (key in VIRTUAL_MACHINE_KEYS and not is_false)


def _shows_gpu(key: str, value: str) -> bool:
    if key == PRESENT_LABEL:
        return value.lower() == "true"
    if key == COUNT_LABEL:
        return value.isdecimal()
    if key in GPU_KEYS or key.startswith(GPU_KEY_PREFIXES):
        return True
    if key in MODEL_KEYS:
        return is_nvidia_model(value)
    # Any label about a GPU whose value names NVIDIA: accelerator=nvidia, gpu-manufacturer=nvidia.
    return mentions_gpu(key) and names_nvidia(value)


def mentions_gpu(key: str) -> bool:
    """Say whether the name of a label is about GPUs."""
    lower = key.lower()
    return "gpu" in lower or "accelerator" in lower


def shows_gpu_by_key(key: str) -> LabelEvidence | None:
    """Return what it shows that a node has a label with this key at all, None where the value matters."""
    if PCI_LABEL.fullmatch(key):
        return LabelEvidence.PCI
    is_gpu = key in GPU_KEYS or key == COUNT_LABEL or key.startswith(GPU_KEY_PREFIXES)
    return LabelEvidence.GPU if is_gpu else None


def _instance_types(labels: Mapping[str, str]) -> Iterable[str]:
    for key in INSTANCE_TYPE_LABELS:
        if (value := labels.get(key)) and is_nvidia_instance_type(value, on_aws=_is_on_aws(labels)):
            yield f"{key}={value}"


def _is_on_aws(labels: Mapping[str, str]) -> bool:
    is_zone = any(AWS_ZONE.fullmatch(labels.get(key, "")) for key in ZONE_LABELS)
    return is_zone or any(name.startswith(AWS_PREFIXES) for name in labels)
