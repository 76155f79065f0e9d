"""Taints that a node has only for a time: while it starts, while it is replaced, or while something repairs it.

A pod waits until such a taint goes away, so it does not exclude a node from a decision. Sources:
https://kubernetes.io/docs/reference/labels-annotations-taints/, the documents of the cluster autoscaler and of
Karpenter, and docs/platform-facts.md.
"""

from collections.abc import Iterable

UNSCHEDULABLE_TAINT = "node.kubernetes.io/unschedulable"
"""The taint of a cordoned node. It is temporary too, but such a node counts only if there is no other."""

TEMPORARY_KEYS = frozenset(
    {
        "node.cloudprovider.kubernetes.io/uninitialized",
        "node.cloudprovider.kubernetes.io/shutdown",
        "node.cluster.x-k8s.io/uninitialized",
        "node.cluster.x-k8s.io/outdated-revision",
        "ToBeDeletedByClusterAutoscaler",
        "DeletionCandidateOfClusterAutoscaler",
        "cloud.google.com/impending-node-termination",
        "NodeWithImpairedVolumes",
        "karpenter.sh/disrupted",
        "karpenter.sh/disruption",
        "karpenter.sh/unregistered",
        "cni.istio.io/not-ready",
        "node.gardener.cloud/critical-components-not-ready",
        "node.deckhouse.io/uninitialized",
        "node.deckhouse.io/bashible-uninitialized",
        "node.deckhouse.io/csi-not-bootstrapped",
        # AKS, while it repairs or drains a node.
        "remediator.aks.microsoft.com/unschedulable",
        "remediator.kubernetes.azure.com/unschedulable",
        "medik8s.io/remediation",
    }
)
TEMPORARY_PREFIXES = (
    "node.kubernetes.io/",
    # https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/FAQ.md
    "startup-taint.cluster-autoscaler.kubernetes.io/",
    "status-taint.cluster-autoscaler.kubernetes.io/",
    "ignore-taint.cluster-autoscaler.kubernetes.io/",
    "aws-node-termination-handler/",
    "readiness.k8s.io/",
    # https://github.com/pelotech/nidhogg: until the pods of some DaemonSets are ready.
    "nidhogg.uswitch.com/",
)
# Cilium, and the CSI drivers of many vendors, remove their taint when their pod on the node is ready.
AGENT_SUFFIX = "/agent-not-ready"


def is_temporary_taint(key: str, more: Iterable[str] = ()) -> bool:
    """Say whether a taint goes away by itself. ``more`` are the policy's keys; ``*`` at the end makes one a prefix."""
    return (
        key in TEMPORARY_KEYS
        or key.startswith(TEMPORARY_PREFIXES)
        or key.endswith(AGENT_SUFFIX)
        or any(key.startswith(name[:-1]) if name.endswith("*") else key == name for name in more)
    )
