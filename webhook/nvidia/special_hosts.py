"""Hosts whose driver is not where the name of their system suggests: no shipped driver profile may match them.

A typed hostPath mount of a file that does not exist keeps a pod waiting for ever, so a profile must match only hosts
for which its directory is correct. Sources: docs/platform-facts.md.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Protocol

from webhook.nvidia.container_nodes import is_container_node

TRIPLETS = {"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}


class Host(Protocol):
    """What a node reports about its system: ``status.nodeInfo`` and its labels."""

    @property
    def os_image(self) -> str:
        """The name and version of the system: PRETTY_NAME in /etc/os-release."""

    @property
    def kernel(self) -> str:
        """The kernel's release, as ``uname -r`` prints it."""

    @property
    def architecture(self) -> str:
        """The processor's architecture: amd64, arm64."""

    @property
    def labels(self) -> Mapping[str, str]:
        """The node's labels."""


@dataclass(frozen=True, slots=True)
class SpecialHost:
    """A kind of host that no shipped profile may match.

    A host is of this kind if its osImage or its kernel matches one of the patterns (``*``), or if it has a label whose
    key starts with one of the prefixes, or one of the labels. ``why`` is for people. ``directory`` is where the driver
    of such hosts usually is, with ``{triplet}`` for the architecture's; ``/run/nvidia/driver`` is the root of a driver
    container. It is empty where a mount of files cannot help. ``serves_pods`` says that NVIDIA's runtime is the
    platform's default on GPU nodes, ``own_plugin`` that a device plugin of the platform's own brings the driver.
    """

    name: str
    why: str
    os_images: tuple[str, ...] = ()
    kernels: tuple[str, ...] = ()
    label_prefixes: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    directory: str = ""
    serves_pods: bool = False
    own_plugin: bool = False

    def has_system(self, os_image: str, kernel: str) -> bool:
        """Say whether a system's name or its kernel shows a host of this kind."""
        return any(fnmatchcase(os_image, pattern) for pattern in self.os_images) or any(
            fnmatchcase(kernel, pattern) for pattern in self.kernels
        )

    def has_label(self, labels: Mapping[str, str], platform_keys: Iterable[str]) -> bool:
        """Say whether labels show a host of this kind; ``platform_keys`` are the keys with a prefix of some kind."""
        return any(labels.get(key) == value for key, value in self.labels) or (
            bool(self.label_prefixes) and any(key.startswith(self.label_prefixes) for key in platform_keys)
        )


# The GPU Operator puts these values of nvidia.com/gpu.deploy.driver on nodes where it runs its driver container.
# "pre-installed" and "false" mean that the host has its own driver.
DRIVER_CONTAINER_VALUES = ("true", "paused-for-driver-upgrade")

# The first match counts, so the more specific kinds come first.
SPECIAL_HOSTS = (
    SpecialHost(
        "Tegra",
        "Jetson and other Tegra systems have libraries of their own, which only NVIDIA's runtime knows",
        kernels=("*tegra*", "*-l4t*"),
        labels=(("feature.node.kubernetes.io/cpu-model.vendor_id", "NVIDIA"),),
    ),
    SpecialHost(
        "GKE",
        "Google's device plugin provides the driver, from /home/kubernetes/bin/nvidia",
        kernels=("*-gke", "*-gke+"),
        label_prefixes=("cloud.google.com/",),
        own_plugin=True,
    ),
    SpecialHost(
        "AKS",
        "AKS provides the driver by its default runtime, on older images from /usr/local/nvidia",
        label_prefixes=("kubernetes.azure.com/",),
        directory="/usr/lib/{triplet}",
        serves_pods=True,
    ),
    SpecialHost(
        "IBM Cloud",
        "IBM Cloud installs the driver and its own device plugin",
        label_prefixes=("ibm-cloud.kubernetes.io/",),
        serves_pods=True,
    ),
    SpecialHost(
        "DigitalOcean",
        "DigitalOcean installs the driver, the toolkit and the device plugin",
        label_prefixes=("doks.digitalocean.com/",),
        serves_pods=True,
    ),
    SpecialHost(
        "Huawei CCE",
        "the CCE add-on installs the driver in /usr/local/nvidia, or in /opt/cloud/cce/nvidia",
        os_images=("Huawei Cloud EulerOS*", "EulerOS*"),
        label_prefixes=("cce.cloud.com/",),
        directory="/usr/local/nvidia/lib64",
    ),
    SpecialHost(
        "CoreOS",
        "RHEL CoreOS and its relatives have no driver in /usr: it is in a container, below /run/nvidia/driver",
        os_images=("*CoreOS*",),
        label_prefixes=("node.openshift.io/",),
        directory="/run/nvidia/driver",
    ),
    SpecialHost(
        "driver container",
        "the driver is in a container of the GPU Operator, below /run/nvidia/driver",
        label_prefixes=("nvidia.com/gpu-driver-upgrade-state",),
        labels=tuple(("nvidia.com/gpu.deploy.driver", value) for value in DRIVER_CONTAINER_VALUES),
        directory="/run/nvidia/driver",
    ),
    SpecialHost("COS", "Container-Optimized OS keeps its driver for Google's plugin", ("Container-Optimized OS*",)),
    SpecialHost(
        "Bottlerocket",
        "Bottlerocket runs the device plugin as a host service",
        ("Bottlerocket*",),
        serves_pods=True,
        own_plugin=True,
    ),
    SpecialHost("container", "the node is a container, as those of kind: its kernel is that of another system"),
    SpecialHost("Windows", "NVIDIA's device plugin and runtime are for Linux", ("Windows*", "Microsoft Windows*")),
    SpecialHost(
        "Talos",
        "the kubelet of Talos cannot see files below /usr/local: create RuntimeClass nvidia instead",
        ("Talos*",),
        kernels=("*-talos*",),
    ),
    SpecialHost("Ubuntu Core", "Ubuntu Core has a read-only system without the driver", ("Ubuntu Core*",)),
    SpecialHost(
        "Flatcar",
        "Flatcar keeps the driver below /opt/nvidia, or in a system extension",
        ("Flatcar*",),
        directory="/opt/nvidia/current/lib64",
    ),
    SpecialHost(
        "TrueNAS",
        "TrueNAS calls itself Debian, and has its driver in a system extension",
        ("TrueNAS*",),
        kernels=("*truenas*",),
        directory="/usr/lib/{triplet}",
    ),
    SpecialHost("Garden Linux", "Garden Linux has its driver in an installer's cache", ("Garden Linux*",)),
    SpecialHost(
        "Docker Desktop",
        "the node is a container or a small virtual machine: its driver is the outer host's",
        ("Docker Desktop*", "Rancher Desktop*", "K3s *"),
        kernels=("*linuxkit*",),
    ),
)


# With this label Google's plugin stays away, for another one.
# Source: https://docs.cloud.google.com/kubernetes-engine/docs/how-to/gpu-operator
NO_OWN_PLUGIN = "gke-no-default-nvidia-gpu-device-plugin"
VIRTUAL_TAINT = "virtual-kubelet.io/provider"
PLATFORM_PREFIXES = tuple(prefix for kind in SPECIAL_HOSTS for prefix in kind.label_prefixes)


def special_host(host: Host) -> SpecialHost | None:
    """Return the first special kind that a host is of, None for an ordinary host."""
    labels = host.labels
    keys = [key for key in labels if key.startswith(PLATFORM_PREFIXES)]
    of_system = _kinds_by_system(host.os_image, host.kernel)
    return next((kind for kind in SPECIAL_HOSTS if kind.name in of_system or kind.has_label(labels, keys)), None)


@lru_cache(maxsize=256)
def _kinds_by_system(os_image: str, kernel: str) -> frozenset[str]:
    # Thousands of nodes have a handful of systems.
    found = {kind.name for kind in SPECIAL_HOSTS if kind.has_system(os_image, kernel)}
    return frozenset(found | ({"container"} if is_container_node(os_image, kernel) else set()))


def serves_pods(host: Host) -> bool:
    """Say whether a host's platform makes NVIDIA's runtime the default on its GPU nodes."""
    kind = special_host(host)
    return kind is not None and kind.serves_pods


def has_own_plugin(host: Host) -> bool:
    """Say whether a device plugin of the platform's own brings the driver into pods."""
    kind = special_host(host)
    return kind is not None and kind.own_plugin and host.labels.get(NO_OWN_PLUGIN) != "true"


def is_virtual_node(labels: Mapping[str, str], taint_keys: Iterable[str]) -> bool:
    """Say whether a node is no machine: what runs its pods, elsewhere, need not know a RuntimeClass of this cluster.

    Source: https://virtual-kubelet.io/docs/, and the documents of Liqo.
    """
    return (
        labels.get("type") == "virtual-kubelet"
        or labels.get("liqo.io/type") == "virtual-node"
        or VIRTUAL_TAINT in taint_keys
    )


def is_tegra(host: Host) -> bool:
    """Say whether a host has the kernel of a Tegra system, which has a GPU inside."""
    return "Tegra" in _kinds_by_system(host.os_image, host.kernel)


def is_wsl(host: Host) -> bool:
    """Say whether a host is WSL2: its NVML also needs libdxcore.so, and its device is /dev/dxg."""
    return "microsoft-standard" in host.kernel or "WSL2" in host.kernel
