"""Which labels of a node show a GPU of NVIDIA."""

from collections.abc import Mapping

import pytest

from webhook.nvidia.gpu_labels import GpuLabels, LabelEvidence, gpu_labels, label_evidence

NFD = "feature.node.kubernetes.io"
GPU, PCI, TEGRA, AGAINST = LabelEvidence.GPU, LabelEvidence.PCI, LabelEvidence.TEGRA, LabelEvidence.AGAINST


@pytest.mark.parametrize(
    ("key", "value", "evidence"),
    [
        # The administrator and NVIDIA's own software.
        ("nvidia.com/gpu.present", "true", GPU),
        ("nvidia.com/gpu.present", "True", GPU),
        ("nvidia.com/gpu.present", "false", AGAINST),
        ("nvidia.com/gpu.present", "maybe", None),
        ("nvidia.com/gpu.present", "", None),
        ("nvidia.com/gpu", "true", GPU),
        ("nvidia.com/gpu", "present", GPU),
        ("nvidia.com/gpu", "false", AGAINST),
        ("nvidia.com/gpu.count", "8", GPU),
        ("nvidia.com/gpu.count", "0", AGAINST),
        ("nvidia.com/gpu.count", "many", None),
        ("nvidia.com/gpu.product", "NVIDIA-A100-SXM4-80GB", GPU),
        ("nvidia.com/gpu.product", "Tesla-T4-SHARED", GPU),
        ("nvidia.com/gpu.family", "hopper", GPU),
        ("nvidia.com/cuda.driver-version.full", "580.82.07", GPU),
        ("nvidia.com/cuda.driver.major", "580", GPU),
        ("nvidia.com/mig.capable", "true", GPU),
        ("nvidia.com/mig.capable", "false", None),
        ("nvidia.com/gfd.timestamp", "1756300000", None),
        ("nvidia.com/gpu.deploy.driver", "true", None),
        ("nvidia.com/gpu.deploy.driver", "pre-installed", None),
        ("nvidia.com/gpu.deploy.device-plugin", "true", None),
        # Virtual machines.
        ("nvidia.com/gpu.workload.config", "vm-passthrough", AGAINST),
        ("nvidia.com/gpu.workload.config", "vm-vgpu", AGAINST),
        ("nvidia.com/gpu.workload.config", "container", None),
        ("nvidia.com/gpu.deploy.vfio-manager", "true", AGAINST),
        ("nvidia.com/gpu.deploy.sandbox-device-plugin", "true", AGAINST),
        ("nvidia.com/gpu.deploy.vgpu-manager", "false", None),
        # Clouds and autoscalers.
        ("cloud.google.com/gke-accelerator", "nvidia-tesla-t4", GPU),
        ("cloud.google.com/gke-accelerator", "nvidia-h100-80gb", GPU),
        ("cloud.google.com/gke-tpu-accelerator", "tpu-v5-lite-podslice", None),
        ("karpenter.k8s.aws/instance-gpu-manufacturer", "nvidia", GPU),
        ("karpenter.k8s.aws/instance-gpu-manufacturer", "amd", None),
        ("karpenter.k8s.aws/instance-gpu-manufacturer", "habana", None),
        ("karpenter.k8s.aws/instance-gpu-name", "a10g", GPU),
        ("karpenter.k8s.aws/instance-gpu-name", "l40s", GPU),
        ("karpenter.k8s.aws/instance-gpu-name", "t4g", GPU),
        ("karpenter.k8s.aws/instance-gpu-name", "radeon-pro-v520", None),
        ("karpenter.k8s.aws/instance-gpu-count", "1", None),
        ("karpenter.k8s.aws/instance-accelerator-name", "inferentia", None),
        ("karpenter.k8s.aws/instance-cpu-manufacturer", "nvidia", None),
        ("eks.amazonaws.com/instance-gpu-manufacturer", "nvidia", GPU),
        ("eks.amazonaws.com/instance-gpu-name", "h100", GPU),
        ("k8s.amazonaws.com/accelerator", "nvidia-tesla-v100", GPU),
        ("k8s.amazonaws.com/accelerator", "L4", GPU),
        ("k8s.amazonaws.com/accelerator", "nvidia-ampere-a10", GPU),
        ("k8s.amazonaws.com/accelerator", "true", None),
        ("k8s.amazonaws.com/accelerator", "inf2", None),
        ("accelerator", "nvidia", GPU),
        ("accelerator", "nvidia-tesla-p100", GPU),
        ("accelerator", "huawei-Ascend910", None),
        ("accelerator", "amd", None),
        ("accelerator/huawei-npu", "ascend-310", None),
        ("kubernetes.azure.com/accelerator", "nvidia", GPU),
        ("karpenter.azure.com/sku-gpu-manufacturer", "nvidia", GPU),
        ("karpenter.azure.com/sku-gpu-name", "A100", GPU),
        ("karpenter.azure.com/sku-gpu-name", "MI300X", None),
        ("doks.digitalocean.com/gpu-brand", "nvidia", GPU),
        ("doks.digitalocean.com/gpu-brand", "amd", None),
        ("doks.digitalocean.com/gpu-model", "h100", GPU),
        ("aliyun.accelerator/nvidia_name", "Tesla-V100-SXM2-16GB", GPU),
        ("aliyun.accelerator/nvidia_count", "0", None),
        ("nvidia-device-enable", "enable", GPU),
        ("nvidia-device-enable", "disable", None),
        ("gpu.nvidia.com/class", "A100_NVLINK_80GB", GPU),
        ("gpu.nvidia.com/model", "H100", GPU),
        ("skypilot.co/accelerator", "h100", GPU),
        ("cluster-api/accelerator", "nvidia-t4", GPU),
        ("skypilot.co/accelerator", "rtxpro6000", GPU),
        ("skypilot.co/accelerator", "rx7900xtx", None),
        ("karpenter.azure.com/sku-gpu-name", "V710", None),
        ("qgpu-device-enable", "enable", GPU),
        ("nebius.com/gpu", "true", GPU),
        ("nebius.com/gpu-name", "RTX6000", GPU),
        ("crusoe.ai/accelerator", "nvidia-a100-80gb-sxm-ib", GPU),
        ("crusoe.ai/accelerator", "amd-mi355x-288gb-roce", None),
        # A simulator.
        ("run.ai/simulated-gpu-node-pool", "default", AGAINST),
        ("convox.io/gpu-vendor", "nvidia", GPU),
        ("gpu-type", "NVIDIAGPU", GPU),
        ("gpu", "on", None),
        ("node-role.kubernetes.io/gpu", "", None),
        ("team", "nvidia", None),
        # NFD.
        (f"{NFD}/pci-10de.present", "true", PCI),
        (f"{NFD}/pci-0302_10de.present", "true", PCI),
        (f"{NFD}/pci-0300_10de_2684_10de_16f4.present", "true", PCI),
        (f"{NFD}/pci-0b40_10de.present", "true", PCI),
        (f"{NFD}/pci-1200_10de.present", "true", PCI),
        (f"{NFD}/pci-10de.present", "false", None),
        (f"{NFD}/pci-0200_10de.present", "true", None),
        (f"{NFD}/pci-0403_10de.present", "true", None),
        (f"{NFD}/pci-0300_1002.present", "true", None),
        (f"{NFD}/pci-0300_8086_10de.present", "true", None),
        (f"{NFD}/pci-0302_10de.sriov.capable", "true", None),
        (f"example.com/{NFD}/pci-10de.present", "true", None),
        (f"{NFD}/cpu-model.vendor_id", "NVIDIA", TEGRA),
        (f"{NFD}/cpu-model.vendor_id", "Intel", None),
    ],
)
def test_a_label_shows_what_its_writer_knows(key: str, value: str, evidence: LabelEvidence | None) -> None:
    """A value that names another vendor is no evidence."""
    assert label_evidence(key, value) is evidence


TYPE = "node.kubernetes.io/instance-type"


@pytest.mark.parametrize(
    ("labels", "is_gpu"),
    [
        ({TYPE: "g5.xlarge", "eks.amazonaws.com/nodegroup": "a"}, True),
        ({TYPE: "p4d.24xlarge", "topology.ebs.csi.aws.com/zone": "a"}, True),
        ({TYPE: "p6-b200.48xlarge", "eks.amazonaws.com/nodegroup": "a"}, True),
        ({TYPE: "gr6.4xlarge", "eks.amazonaws.com/nodegroup": "a"}, True),
        ({TYPE: "ml.g5.2xlarge", "k8s.io/cloud-provider-aws": "a"}, True),
        ({TYPE: "g4ad.xlarge", "eks.amazonaws.com/nodegroup": "a"}, False),
        ({TYPE: "inf2.xlarge", "eks.amazonaws.com/nodegroup": "a"}, False),
        ({TYPE: "m5.xlarge", "eks.amazonaws.com/nodegroup": "a"}, False),
        ({TYPE: "g5.xlarge"}, False),
        ({TYPE: "g5.xlarge", "alpha.eksctl.io/nodegroup-name": "gpu"}, True),
        ({TYPE: "g5.xlarge", "topology.kubernetes.io/zone": "us-west-2a"}, True),
        ({TYPE: "g5.xlarge", "topology.kubernetes.io/zone": "us-gov-west-1b"}, True),
        ({TYPE: "m5.xlarge", "topology.kubernetes.io/zone": "us-west-2a"}, False),
        ({TYPE: "g5.xlarge", "topology.kubernetes.io/zone": "us-west1-a"}, False),
        ({TYPE: "g5.xlarge", "topology.kubernetes.io/zone": "nova"}, False),
        ({TYPE: "Standard_NC6s_v3"}, True),
        ({TYPE: "Standard_ND96isr_H100_v5"}, True),
        ({TYPE: "Standard_NV36ads_A10_v5"}, True),
        ({TYPE: "Standard_ND96isr_MI300X_v5"}, False),
        ({TYPE: "Standard_NV4ads_V710_v5"}, False),
        ({TYPE: "Standard_NV28adms_V710_v5"}, False),
        ({TYPE: "g6f.large", "eks.amazonaws.com/nodegroup": "a"}, True),
        ({TYPE: "g2-standard-8"}, True),
        ({TYPE: "g2-standard-1"}, False),
        ({TYPE: "g4-standard-48"}, True),
        ({TYPE: "g4-standard-4"}, False),
        ({TYPE: "H100-SXM-2-80G"}, True),
        ({TYPE: "L40S-1-48G"}, True),
        ({TYPE: "h100-380"}, True),
        ({TYPE: "b3-32"}, False),
        ({TYPE: "vcg-a16-6c-64g-16vram"}, True),
        ({TYPE: "a100-80gb-sxm-ib.8x"}, True),
        ({TYPE: "mi300x-192gb-ib.8x"}, False),
        ({TYPE: "ecs.pni2.3xlarge"}, True),
        ({TYPE: "ecs.gi6s.large"}, False),
        ({TYPE: "GT4.4XLARGE96"}, True),
        ({TYPE: "Standard_NV8as_v4"}, False),
        ({TYPE: "Standard_D4s_v5"}, False),
        ({TYPE: "a2-highgpu-1g"}, True),
        ({TYPE: "a3-megagpu-8g"}, True),
        ({TYPE: "n1-standard-4"}, False),
        ({TYPE: "VM.GPU.A10.1"}, True),
        ({TYPE: "BM.GPU.H100.8"}, True),
        ({TYPE: "VM.GPU3.1"}, True),
        ({TYPE: "BM.GPU.MI300X.8"}, False),
        ({TYPE: "VM.Standard.E5.Flex"}, False),
        ({TYPE: "gpu-h100x1-80gb"}, True),
        ({TYPE: "gpu-mi300x1-192gb"}, False),
        ({TYPE: "g2-gpu-rtx4000a1-s"}, True),
        ({TYPE: "gpu_8x_h100_sxm5"}, True),
        ({TYPE: "ecs.gn6i-c4g1.xlarge"}, True),
        ({TYPE: "ecs.g6.xlarge"}, False),
        ({TYPE: "GN7.2XLARGE32"}, True),
        ({"beta.kubernetes.io/instance-type": "Standard_NC6s_v3"}, True),
        ({TYPE: "standard_nc" + "x" * 5000}, False),
    ],
)
def test_a_machine_type_of_a_cloud_shows_a_gpu(labels: Mapping[str, str], is_gpu: bool) -> None:  # noqa: FBT001
    """AWS' short names count only on AWS: other clouds and OpenStack use such names too."""
    assert gpu_labels(labels).show_gpu is is_gpu


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        ({}, GpuLabels()),
        ({"kubernetes.io/os": "linux"}, GpuLabels()),
        ({f"{NFD}/pci-10de.present": "true"}, GpuLabels(pci=(f"{NFD}/pci-10de.present=true",))),
        (
            {f"{NFD}/pci-10de.present": "true", "nvidia.com/gpu.workload.config": "vm-passthrough"},
            GpuLabels(
                pci=(f"{NFD}/pci-10de.present=true",), against=("nvidia.com/gpu.workload.config=vm-passthrough",)
            ),
        ),
        (
            {"nvidia.com/gpu.present": "true", "accelerator": "nvidia"},
            GpuLabels(gpu=("accelerator=nvidia", "nvidia.com/gpu.present=true")),
        ),
    ],
)
def test_the_labels_of_a_node_are_sorted_by_what_they_show(labels: Mapping[str, str], found: GpuLabels) -> None:
    """Each is quoted, so that people can check it."""
    assert gpu_labels(labels) == found


@pytest.mark.parametrize(
    "against",
    [
        {"nvidia.com/gpu.workload.config": "vm-passthrough"},
        {"nvidia.com/gpu.workload.config": "vm-vgpu"},
        {"nvidia.com/gpu.deploy.vfio-manager": "true"},
        {"nvidia.com/gpu.count": "0"},
    ],
)
def test_a_label_against_a_gpu_outweighs_all_others(against: Mapping[str, str]) -> None:
    """The GPU Operator labels passthrough nodes as GPU nodes too."""
    labels = {"nvidia.com/gpu.present": "true", "accelerator": "nvidia", f"{NFD}/pci-10de.present": "true"}
    assert gpu_labels(labels).show_gpu
    assert not gpu_labels({**labels, **against}).show_gpu
