"""Device plugins of all kinds, recognised by what they mount: forks of NVIDIA's plugin, and those of other vendors.

A DaemonSet that mounts the kubelet's directory device-plugins is a device plugin, whatever its name. doctor names such
plugins; none of them is patched, unless webhook/nvidia/known_plugins.py or the policy knows it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from posixpath import basename, normpath
from typing import Any

from webhook.kube.containers import host_paths
from webhook.kube.metadata import labels_of
from webhook.kube.values import elements, mapping, text
from webhook.nvidia.known_plugins import command_words

MOST_CONTAINERS, MOST_WORDS, LONGEST_WORD = 50, 200, 256


class Vendor(StrEnum):
    """The vendor of the devices that a device plugin offers."""

    NVIDIA = "nvidia"
    OTHER = "other"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class DevicePlugin:
    """A device plugin: its name for people, and its vendor.

    ``serves_containers`` is false for plugins that give whole devices to virtual machines: such a node has no driver of
    NVIDIA's for containers.
    """

    name: str
    vendor: Vendor
    serves_containers: bool = True


# Part of a label's value, of the name of a container, an image or a program -> the plugin. First match wins.
NVIDIA_PLUGINS = (
    ("volcano-vgpu-device-plugin", DevicePlugin("Volcano's vGPU device plugin", Vendor.NVIDIA)),
    ("volcano-device-plugin", DevicePlugin("Volcano's device plugin", Vendor.NVIDIA)),
    ("hami-device-plugin", DevicePlugin("HAMi's device plugin", Vendor.NVIDIA)),
    ("projecthami/hami", DevicePlugin("HAMi's device plugin", Vendor.NVIDIA)),
    ("4pdosc/k8s-vdevice", DevicePlugin("4paradigm's vGPU device plugin", Vendor.NVIDIA)),
    ("4pdosc/k8s-device-plugin", DevicePlugin("4paradigm's vGPU device plugin", Vendor.NVIDIA)),
    ("vgpu-device-plugin", DevicePlugin("a vGPU device plugin", Vendor.NVIDIA)),
    ("gpushare", DevicePlugin("Alibaba's GPU sharing device plugin", Vendor.NVIDIA)),
    ("nebuly", DevicePlugin("nebuly's device plugin", Vendor.NVIDIA)),
    ("aws-virtual-gpu-device-plugin", DevicePlugin("AWS' virtual GPU device plugin", Vendor.NVIDIA)),
    ("virtual-gpu-device-plugin", DevicePlugin("a virtual GPU device plugin", Vendor.NVIDIA)),
    ("elastic-gpu", DevicePlugin("Elastic GPU's agent", Vendor.NVIDIA)),
    ("qgpu-manager", DevicePlugin("Tencent's qGPU manager", Vendor.NVIDIA)),
    ("gpu-manager", DevicePlugin("Tencent's GPU manager", Vendor.NVIDIA)),
    ("kubevirt-gpu", DevicePlugin("NVIDIA's KubeVirt GPU device plugin", Vendor.NVIDIA, serves_containers=False)),
    ("sandbox-device-plugin", DevicePlugin("NVIDIA's sandbox device plugin", Vendor.NVIDIA, serves_containers=False)),
    ("nvidia-gpu-device-plugin", DevicePlugin("Google's GPU device plugin", Vendor.NVIDIA)),
    ("nvidia", DevicePlugin("a device plugin for NVIDIA GPUs", Vendor.NVIDIA)),
)
OTHER_VENDORS = frozenset(
    {
        *("amd", "amdgpu", "rocm", "intel", "xpu", "i915", "habana", "gaudi", "neuron", "inferentia", "tpu"),
        *("ascend", "huawei", "npu", "cambricon", "mlu", "hygon", "dcu", "iluvatar", "enflame", "mthreads", "metax"),
        *("kunlun", "xilinx", "fpga", "qat", "sgx", "dsa", "rdma", "hca", "sriov", "mofed", "kvm", "kubevirt", "vfio"),
        *("fuse", "smarter", "akri", "usb", "generic", "hostdev", "nvme", "tpm", "gpio", "i2c", "zigbee"),
        *("efa", "infiniband", "roce", "mellanox"),
    }
)
WORD = re.compile(r"[a-z0-9]+", re.ASCII)


def device_plugin_of(template: Mapping[str, Any]) -> DevicePlugin | None:
    """Return the device plugin that a pod or a template runs, None if it does not mount the kubelet's directory.

    At most 200 words of its labels and of its first 50 containers are read.
    """
    spec = mapping(template.get("spec"))
    containers = [item for item in elements(spec.get("containers"))[:MOST_CONTAINERS] if isinstance(item, dict)]
    if not any(_is_plugin_directory(path) for item in containers for path in host_paths(spec, item)):
        return None
    names = [name[:LONGEST_WORD].lower() for name in islice(_names(template, containers), MOST_WORDS)]
    known = next((plugin for part, plugin in NVIDIA_PLUGINS if any(part in name for name in names)), None)
    if known is not None:
        return known
    is_other = any(word in OTHER_VENDORS for name in names for word in WORD.findall(name))
    return DevicePlugin("a device plugin", Vendor.OTHER if is_other else Vendor.UNKNOWN)


def _is_plugin_directory(path: str) -> bool:
    # k0s and MicroK8s keep the kubelet's directory at other places.
    parts = normpath(path).split("/")
    return parts[-1] == "device-plugins" and "kubelet" in parts


def _names(template: Mapping[str, Any], containers: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    yield from labels_of(template).values()
    for container in containers:
        yield text(container.get("name"))
        yield text(container.get("image")).partition("@")[0]
        yield from islice(map(basename, command_words(container)), 1)
