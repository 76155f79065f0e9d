"""What the cluster has, as frozen values: the facts that a decision may look at."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from webhook.kube.values import empty_mapping

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RuntimeClass:
    """A RuntimeClass of node.k8s.io/v1: its name, the handler that the node's runtime must know, and its scheduling.

    ``of_distribution`` says that k3s or RKE2 made it, as they do on every cluster: then it proves nothing.
    """

    name: str
    handler: str
    node_selector: Labels = field(default_factory=empty_mapping)
    tolerations: tuple[Mapping[str, Any], ...] = ()
    of_distribution: bool = False


@dataclass(frozen=True, slots=True)
class Taint:
    """A taint that keeps pods from being scheduled or run (NoSchedule, NoExecute)."""

    key: str
    value: str
    effect: str


@dataclass(frozen=True, slots=True)
class Node:
    """A node. ``handlers`` is None where the kubelet reports none; quantities are as the API server prints them.

    ``capacity`` and ``allocatable`` hold extended resources only.
    """

    name: str
    labels: Labels = field(default_factory=empty_mapping)
    os_image: str = ""
    kernel: str = ""
    architecture: str = ""
    runtime: str = ""
    handlers: frozenset[str] | None = None
    capacity: Mapping[str, str] = field(default_factory=empty_mapping)
    allocatable: Mapping[str, str] = field(default_factory=empty_mapping)
    taints: tuple[Taint, ...] = ()


class Nvml(StrEnum):
    """How a plugin got NVIDIA's management library: by a mount, under a RuntimeClass, or by nothing in its pod."""

    MOUNT = "mount"
    CLASS = "class"
    NEITHER = "neither"


@dataclass(frozen=True, slots=True)
class Plugin:
    """What a plugin's pod, or a DaemonSet's template, shows. None is unknown (a configuration file decides).

    ``hands_out_gpus`` tells the device plugin from feature discovery and exporters; ``of_platform`` one that brings the
    driver into pods by itself; ``bootstrapped`` says that the mount of NVML is ours.
    """

    namespace: str
    name: str
    hands_out_gpus: bool = True
    runtime_class: str = ""
    nvml: Nvml = Nvml.NEITHER
    nvml_directory: str = ""
    list_strategies: frozenset[str] | None = frozenset()
    passes_devices: bool | None = False
    of_platform: bool = False
    bootstrapped: bool = False


@dataclass(frozen=True, slots=True)
class PluginPod:
    """A plugin's pod: its UID, node and state, and the DaemonSet (UID) that controls it, empty if none does."""

    plugin: Plugin
    uid: str
    node: str
    owner: str
    running: bool
    ready: bool


@dataclass(frozen=True, slots=True)
class PluginDaemonSet:
    """A DaemonSet that runs a device plugin: its UID, what its template shows, and the nodes that it is for.

    ``placement`` is the part of the template's spec that selects nodes; ``template`` is the whole of it, of which the
    next pods will be made.
    """

    plugin: Plugin
    uid: str
    placement: Mapping[str, Any] = field(default_factory=empty_mapping)
    template: Mapping[str, Any] = field(default_factory=empty_mapping)


@dataclass(frozen=True, slots=True)
class ClusterPolicy:
    """NVIDIA's GPU Operator: whether it hands GPUs out by CDI, or by an NRI plugin."""

    cdi: bool
    nri: bool


@dataclass(frozen=True, slots=True)
class DeviceClass:
    """A DeviceClass (DRA), and the extended resource that it serves, empty if none."""

    name: str
    extended_resource: str


@dataclass(frozen=True, slots=True)
class ClusterView:
    """The facts, one mapping for each kind; ``None`` where the kind is unknown (not: empty).

    Keys are names; for plugin pods and DaemonSets ``namespace/name``. ``api_groups`` are the API groups served.
    """

    runtime_classes: Mapping[str, RuntimeClass] | None = None
    namespaces: Mapping[str, Labels] | None = None
    nodes: Mapping[str, Node] | None = None
    plugin_pods: Mapping[str, PluginPod] | None = None
    daemon_sets: Mapping[str, PluginDaemonSet] | None = None
    cluster_policies: Mapping[str, ClusterPolicy] | None = None
    device_classes: Mapping[str, DeviceClass] | None = None
    api_groups: frozenset[str] | None = None


WORDS = {
    "nodes": "nodes",
    "plugin_pods": "plugin pods",
    "daemon_sets": "DaemonSets",
    "cluster_policies": "ClusterPolicies",
    "device_classes": "DeviceClasses",
}


def unknown_kinds(view: ClusterView) -> Iterator[str]:
    """Yield, in one line, the kinds of which the view does not even know that there are none."""
    unknown = [word for kind, word in WORDS.items() if getattr(view, kind) is None]
    if unknown:
        yield f"unknown: {', '.join(unknown)}"
