"""Which kinds have no namespace, as far as that is known without an API server."""

from collections.abc import Iterable, Mapping
from typing import Any

from webhook.kube.metadata import metadata
from webhook.kube.object_rules import ObjectKind, kind_of
from webhook.kube.values import mapping

CLUSTER_SCOPED = frozenset(
    {
        *(("", kind) for kind in ("Namespace", "Node", "PersistentVolume")),
        ("apps.kruise.io", "SidecarSet"),
        ("apiextensions.crossplane.io", "Composition"),
        ("kubernetes.crossplane.io", "Object"),
        ("policies.kyverno.io", "GeneratingPolicy"),
        ("nvidia.com", "NVIDIADriver"),
    }
)
# Kinds with the prefix that custom kinds without a namespace have by convention, and that have one.
NAMESPACED = frozenset(
    {
        ("cluster.x-k8s.io", "ClusterClass"),
        ("addons.cluster.x-k8s.io", "ClusterResourceSet"),
        ("addons.cluster.x-k8s.io", "ClusterResourceSetBinding"),
        ("hive.openshift.io", "ClusterDeployment"),
        ("hive.openshift.io", "ClusterPool"),
        ("hive.openshift.io", "ClusterClaim"),
    }
)
PREFIX = "Cluster"


def declared_scopes(objects: Iterable[Mapping[str, Any]]) -> dict[ObjectKind, bool]:
    """Return by kind whether it has no namespace, as the CustomResourceDefinitions among some objects say."""
    specs = (mapping(one.get("spec")) for one in objects if one.get("kind") == "CustomResourceDefinition")
    return {
        ObjectKind(str(spec.get("group")), str(mapping(spec.get("names")).get("kind"))): spec.get("scope") == "Cluster"
        for spec in specs
    }


def is_cluster_scoped(item: Mapping[str, Any], declared: Mapping[ObjectKind, bool]) -> bool:
    """Say whether an object has no namespace; one that names a namespace has it."""
    kind = kind_of(item)
    if kind is None or metadata(item).get("namespace"):
        return False
    if kind in declared:
        return declared[kind]
    key = (kind.group, kind.kind)
    after_prefix = kind.kind.removeprefix(PREFIX)[:1] if kind.kind.startswith(PREFIX) else ""
    return key in CLUSTER_SCOPED or (after_prefix.isupper() and key not in NAMESPACED)
