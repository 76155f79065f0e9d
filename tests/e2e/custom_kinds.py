"""Register kinds with a real API server, as operators do; their objects may have any content."""

from typing import Any

ANYTHING = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def definition(kind: str, plural: str, group: str, scope: str) -> dict[str, Any]:
    """Return the CustomResourceDefinition of a kind's version v1; ``scope`` is Cluster or Namespaced."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": scope,
            "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": ANYTHING}}],
        },
    }


CLUSTER_POLICIES = definition("ClusterPolicy", "clusterpolicies", "nvidia.com", "Cluster")
GPU_CLUSTERS = definition("GPUCluster", "gpuclusters", "nvidia.com", "Cluster")
