"""The state of the cluster, as frozen values: the facts that a decision may read."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from webhook.kube.values import empty_mapping
from webhook.nvidia.known_plugins import Role
from webhook.nvidia.plugin_settings import CDI_PREFIX
from webhook.observations.plugin_observation import NO_OBSERVATIONS, HostKind, Observations
from webhook.observations.pod_start import NOT_STARTED, PodStart
from webhook.observations.setback import NO_SETBACKS, Setbacks
from webhook.observations.workload_failure import WorkloadFailure
from webhook.view.admission_controls import DenyingBinding, PodAdmissionPolicy, PolicyEngineWebhook
from webhook.view.dynamic_resources import DeviceClass, ResourceSlice
from webhook.view.gpu_operator import ClusterPolicy, GpuCluster
from webhook.view.node_facts_pods import NodeFactsPod

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RuntimeClass:
    """A RuntimeClass of node.k8s.io/v1: its name, the handler that the node's runtime must know, and its scheduling.

    ``of_distribution`` is True if k3s or RKE2 made it, as they do on every cluster: then it proves nothing.
    ``overhead`` are the quantities that the API server adds to the pod's.
    """

    name: str
    handler: str
    node_selector: Labels = field(default_factory=empty_mapping)
    tolerations: tuple[Mapping[str, Any], ...] = ()
    of_distribution: bool = False
    overhead: Mapping[str, str] = field(default_factory=empty_mapping)


@dataclass(frozen=True, slots=True)
class Taint:
    """A taint that keeps pods from being scheduled or run (NoSchedule, NoExecute)."""

    key: str
    value: str
    effect: str


@dataclass(frozen=True, slots=True)
class Node:
    """A node. ``handlers`` is None where the kubelet reports none; quantities are as the API server prints them.

    ``capacity`` and ``allocatable`` hold extended resources only. ``boot_id`` changes with each boot of the node.
    ``ready`` is None where no condition says it, ``ready_since`` is when that last changed. ``default_runtime`` is the
    container runtime that k3s or RKE2 was started with as the default, empty where unknown.
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
    boot_id: str = ""
    unschedulable: bool = False
    ready: bool | None = None
    default_runtime: str = ""
    ready_since: datetime | None = None

    @property
    def host(self) -> HostKind:
        """The kind of node: what an observation of one of its pods holds for."""
        return HostKind(self.os_image, self.kernel, self.architecture, self.runtime, self.handlers)


class Nvml(StrEnum):
    """How a plugin got NVIDIA's management library: by a mount, under a RuntimeClass, or by nothing in its pod."""

    MOUNT = "mount"
    CLASS = "class"
    NEITHER = "neither"


@dataclass(frozen=True, slots=True)
class Plugin:
    """What a plugin's pod, or a DaemonSet's template, shows. None is unknown (a configuration file decides).

    ``hands_out_gpus`` tells the device plugin from feature discovery and exporters; ``of_platform`` one that brings the
    driver into pods by itself; ``bootstrapped`` says that the mount of NVML is ours. ``cdi_prefix`` is that of the
    annotations of the list strategy ``cdi-annotations``; ``container`` names the plugin's first container.
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
    role: Role = Role.DEVICE_PLUGIN
    cdi_prefix: str | None = CDI_PREFIX
    container: str = ""


@dataclass(frozen=True, slots=True)
class PluginPod:
    """A plugin's pod: its UID, node and state, and the DaemonSet (UID and name) that controls it, empty if none does.

    ``decision`` is our annotation, ``patched`` says that the pod has our patch. ``ready_since`` is when the condition
    Ready last changed, ``restarts`` counts those of all containers, and ``waiting`` is the reason for which a container
    waits, empty if none does. ``recipe`` is that of our patch, empty where the pod has none; ``start`` says how far its
    start has come.
    """

    plugin: Plugin
    uid: str
    node: str
    owner: str
    running: bool
    ready: bool
    owner_name: str = ""
    decision: str = ""
    patched: bool = False
    phase: str = ""
    waiting: str = ""
    restarts: int = 0
    ready_since: datetime | None = None
    recipe: str = ""
    start: PodStart = NOT_STARTED


@dataclass(frozen=True, slots=True)
class PluginDaemonSet:
    """A DaemonSet that runs a device plugin: its UID, what its template shows, and the nodes that it is for.

    ``placement`` is the part of the template's spec that selects nodes; ``template`` is all of it, from which the
    next pods are created.
    """

    plugin: Plugin
    uid: str
    placement: Mapping[str, Any] = field(default_factory=empty_mapping)
    template: Mapping[str, Any] = field(default_factory=empty_mapping)


@dataclass(frozen=True, slots=True)
class ClusterView:
    """The facts, one mapping for each kind; ``None`` where the kind is unknown (not: empty).

    Keys are names; for plugin pods and DaemonSets ``namespace/name``; for webhooks of policy engines the kind, a slash
    and the name. ``namespaces`` are labels, with limits on tolerations (``webhook.view.toleration_limits``).
    ``admission_policies`` and ``policy_bindings`` are those that can reject a pod. ``api_groups`` are the API groups
    served. ``facts_pods`` report node facts, ``facts_daemon_sets`` has the UIDs of what may own these pods; both are
    empty where node facts are off. ``observations`` are what was seen of plugin pods, ``setbacks`` which recipes failed
    on which nodes. ``workload_failures`` are those that Events show, by
    namespace; a namespace that it lacks was not looked at.
    """

    runtime_classes: Mapping[str, RuntimeClass] | None = None
    namespaces: Mapping[str, Labels] | None = None
    nodes: Mapping[str, Node] | None = None
    plugin_pods: Mapping[str, PluginPod] | None = None
    daemon_sets: Mapping[str, PluginDaemonSet] | None = None
    cluster_policies: Mapping[str, ClusterPolicy] | None = None
    device_classes: Mapping[str, DeviceClass] | None = None
    resource_slices: Mapping[str, ResourceSlice] | None = None
    gpu_clusters: Mapping[str, GpuCluster] | None = None
    admission_policies: Mapping[str, PodAdmissionPolicy] | None = None
    policy_bindings: Mapping[str, DenyingBinding] | None = None
    engine_webhooks: Mapping[str, PolicyEngineWebhook] | None = None
    api_groups: frozenset[str] | None = None
    facts_pods: Mapping[str, NodeFactsPod] = field(default_factory=empty_mapping)
    facts_daemon_sets: Mapping[str, str] = field(default_factory=empty_mapping)
    observations: Observations = NO_OBSERVATIONS
    setbacks: Setbacks = NO_SETBACKS
    workload_failures: Mapping[str, tuple[WorkloadFailure, ...]] = field(default_factory=empty_mapping)


WORDS = {
    "nodes": "nodes",
    "plugin_pods": "plugin pods",
    "daemon_sets": "DaemonSets",
    "cluster_policies": "ClusterPolicies",
    "device_classes": "DeviceClasses",
}


def unknown_kinds(view: ClusterView) -> Iterator[str]:
    """Yield the kinds that are unknown in the view, in one line."""
    unknown = [word for kind, word in WORDS.items() if getattr(view, kind) is None]
    if unknown:
        yield f"unknown: {', '.join(unknown)}"
