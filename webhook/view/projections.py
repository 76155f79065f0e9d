"""API objects projected to what the view keeps of them; everything else is dropped at this edge."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from sys import intern
from types import MappingProxyType
from typing import Any

from webhook.kube.metadata import full_name, labels_of, metadata, name_of
from webhook.kube.values import items, mapping, text, text_map
from webhook.nvidia.known_plugins import KNOWN_PLUGINS, KnownPlugin
from webhook.view.compact_labels import CompactLabels
from webhook.view.plugin_projections import PluginProjection
from webhook.view.view import ClusterPolicy, ClusterView, DeviceClass, Node, RuntimeClass, Taint

ApiObject = Mapping[str, Any]

# k3s and RKE2 mark what they create for every cluster.
DISTRIBUTION_PREFIX = "objectset.rio.cattle.io/"

# Set and taken away as a node's condition changes. A pod that is created meanwhile may still land there: controllers
# make pods anew just while a node is away, or drained.
# https://kubernetes.io/docs/reference/labels-annotations-taints/#node-kubernetes-io-not-ready
PASSING_TAINTS = frozenset(
    {
        "node.kubernetes.io/not-ready",
        "node.kubernetes.io/unreachable",
        "node.kubernetes.io/unschedulable",
        "node.kubernetes.io/memory-pressure",
        "node.kubernetes.io/disk-pressure",
        "node.kubernetes.io/pid-pressure",
        "node.kubernetes.io/network-unavailable",
        "node.cloudprovider.kubernetes.io/uninitialized",
    }
)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind that the view keeps: the view's field, the API path of its list, and how an object is projected.

    ``keeps`` says which objects are of interest; ``key`` names an object in the view.
    """

    field: str
    path: str
    project: Callable[[ApiObject], Any]
    key: Callable[[ApiObject], str] = name_of
    keeps: Callable[[ApiObject], bool] = lambda _: True


def view_of(objects: Iterable[ApiObject], known: tuple[KnownPlugin, ...] = KNOWN_PLUGINS) -> ClusterView:
    """Return the view that API objects give, as ``kubectl get -o yaml`` prints them; other kinds are ignored.

    A kind of which there is neither an object nor a list (``RuntimeClassList``, as ``kubectl get --raw`` prints it) is
    unknown. So are API groups where neither CustomResourceDefinitions nor an APIGroupList tell them.
    """
    found: dict[str, dict[str, Any]] = {}
    groups: set[str] = set()
    of = kinds(known)
    for item in objects:
        groups |= _groups(item)
        name = str(item.get("kind"))
        kind = of.get((group_of(item), name.removesuffix("List")))
        if kind:
            of_kind = found.setdefault(kind.field, {})
            if not name.endswith("List") and kind.keeps(item):
                of_kind[kind.key(item)] = kind.project(item)
    facts = {field: MappingProxyType(values) for field, values in found.items()}
    return ClusterView(**facts, api_groups=frozenset(groups) if groups else None)


def _groups(item: ApiObject) -> set[str]:
    """Return the API groups that an object tells about: those of all CustomResourceDefinitions, or of all APIs."""
    if item.get("kind") == "APIGroupList":
        return {text(group.get("name")) for group in items(item.get("groups"))}
    if item.get("kind") == "CustomResourceDefinitionList":
        return {group_of(item)}
    if item.get("kind") == "CustomResourceDefinition":
        return {group_of(item), text(mapping(item.get("spec")).get("group"))}
    return set()


def project_runtime_class(item: ApiObject) -> RuntimeClass:
    """Keep a RuntimeClass's handler and scheduling, and whether a distribution made it."""
    scheduling = mapping(item.get("scheduling"))
    marks = (*mapping(metadata(item).get("annotations")), *labels_of(item))
    return RuntimeClass(
        name=name_of(item),
        handler=text(item.get("handler")),
        node_selector=text_map(scheduling.get("nodeSelector")),
        tolerations=tuple(items(scheduling.get("tolerations"))),
        of_distribution=any(mark.startswith(DISTRIBUTION_PREFIX) for mark in marks),
    )


def project_labels(item: ApiObject) -> Mapping[str, str]:
    """Keep an object's labels."""
    return CompactLabels(labels_of(item))


def project_node(item: ApiObject) -> Node:
    """Keep of a Node what candidates, handlers and driver profiles are told by."""
    status = mapping(item.get("status"))
    info = mapping(status.get("nodeInfo"))
    handlers = frozenset(text(handler.get("name")) for handler in items(status.get("runtimeHandlers")))
    return Node(
        name=name_of(item),
        labels=project_labels(item),
        os_image=intern(text(info.get("osImage"))),
        kernel=intern(text(info.get("kernelVersion"))),
        architecture=intern(text(info.get("architecture"))),
        runtime=intern(text(info.get("containerRuntimeVersion"))),
        handlers=_shared_set(handlers) or None,
        capacity=_extended(status.get("capacity")),
        allocatable=_extended(status.get("allocatable")),
        taints=tuple(
            Taint(text(taint.get("key")), text(taint.get("value")), str(taint.get("effect")))
            for taint in items(mapping(item.get("spec")).get("taints"))
            if taint.get("effect") in ("NoSchedule", "NoExecute") and text(taint.get("key")) not in PASSING_TAINTS
        ),
    )


def project_cluster_policy(item: ApiObject) -> ClusterPolicy:
    """Keep how NVIDIA's GPU Operator hands GPUs out."""
    cdi = mapping(mapping(item.get("spec")).get("cdi"))
    return ClusterPolicy(cdi=cdi.get("enabled") is True, nri=cdi.get("nriPluginEnabled") is True)


def project_device_class(item: ApiObject) -> DeviceClass:
    """Keep the extended resource that a DeviceClass serves."""
    return DeviceClass(name_of(item), text(mapping(item.get("spec")).get("extendedResourceName")))


def group_of(item: ApiObject) -> str:
    """Return the API group of an object, empty for the core group."""
    group, slash, _ = str(item.get("apiVersion")).partition("/")
    return group if slash else ""


def _extended(quantities: object) -> Mapping[str, str]:
    # Extended resources have a domain that is not Kubernetes' own.
    found = mapping(quantities)
    names = sorted(name for name in found if "/" in name and "kubernetes.io/" not in name)
    return _shared_map(tuple((name, text(found[name])) for name in names))


# Thousands of nodes say the same: kept once, as their strings are (intern), that is a third of their memory.
@lru_cache(maxsize=4096)
def _shared_set(value: frozenset[str]) -> frozenset[str]:
    return value


@lru_cache(maxsize=4096)
def _shared_map(entries: tuple[tuple[str, str], ...]) -> Mapping[str, str]:
    return MappingProxyType(dict(entries))


def kinds(known: tuple[KnownPlugin, ...] = KNOWN_PLUGINS) -> Mapping[tuple[str, str], Kind]:
    """Return the kinds that the view keeps, by API group and kind."""
    plugins = PluginProjection(known)
    return MappingProxyType(
        {
            ("node.k8s.io", "RuntimeClass"): Kind(
                "runtime_classes", "/apis/node.k8s.io/v1/runtimeclasses", project_runtime_class
            ),
            ("", "Namespace"): Kind("namespaces", "/api/v1/namespaces", project_labels),
            ("", "Node"): Kind("nodes", "/api/v1/nodes", project_node),
            ("", "Pod"): Kind("plugin_pods", "/api/v1/pods", plugins.pod, full_name, plugins.keeps),
            ("apps", "DaemonSet"): Kind(
                "daemon_sets", "/apis/apps/v1/daemonsets", plugins.daemon_set, full_name, plugins.keeps
            ),
            ("nvidia.com", "ClusterPolicy"): Kind(
                "cluster_policies", "/apis/nvidia.com/v1/clusterpolicies", project_cluster_policy
            ),
            ("resource.k8s.io", "DeviceClass"): Kind(
                "device_classes", "/apis/resource.k8s.io/v1/deviceclasses", project_device_class
            ),
        }
    )


KINDS = kinds()
