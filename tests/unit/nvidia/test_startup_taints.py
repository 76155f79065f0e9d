"""Temporary taints do not exclude a node."""

import pytest

from webhook.nvidia.startup_taints import is_temporary_taint


@pytest.mark.parametrize(
    ("key", "temporary"),
    [
        ("node.kubernetes.io/not-ready", True),
        ("node.kubernetes.io/unreachable", True),
        ("node.kubernetes.io/disk-pressure", True),
        ("node.kubernetes.io/unschedulable", True),
        ("node.kubernetes.io/out-of-service", True),
        ("node.cloudprovider.kubernetes.io/uninitialized", True),
        ("node.cloudprovider.kubernetes.io/shutdown", True),
        ("node.cluster.x-k8s.io/uninitialized", True),
        ("ToBeDeletedByClusterAutoscaler", True),
        ("DeletionCandidateOfClusterAutoscaler", True),
        ("startup-taint.cluster-autoscaler.kubernetes.io/gpu-not-ready", True),
        ("status-taint.cluster-autoscaler.kubernetes.io/suspended", True),
        ("ignore-taint.cluster-autoscaler.kubernetes.io/x", True),
        ("karpenter.sh/disrupted", True),
        ("karpenter.sh/disruption", True),
        ("karpenter.sh/unregistered", True),
        ("node.cilium.io/agent-not-ready", True),
        ("cni.istio.io/not-ready", True),
        ("ebs.csi.aws.com/agent-not-ready", True),
        ("efs.csi.aws.com/agent-not-ready", True),
        ("fsx.csi.aws.com/agent-not-ready", True),
        ("aws-node-termination-handler/spot-itn", True),
        ("aws-node-termination-handler/rebalance-recommendation", True),
        ("readiness.k8s.io/gpu-driver", True),
        ("cloud.google.com/impending-node-termination", True),
        ("disk.csi.azure.com/agent-not-ready", True),
        ("s3.csi.scality.com/agent-not-ready", True),
        ("node.gardener.cloud/critical-components-not-ready", True),
        ("node.deckhouse.io/uninitialized", True),
        ("remediator.kubernetes.azure.com/unschedulable", True),
        ("remediator.aks.microsoft.com/unschedulable", True),
        ("medik8s.io/remediation", True),
        ("nidhogg.uswitch.com/kube-system.nvidia-device-plugin", True),
        ("agent-not-ready", False),
        ("virtual-kubelet.io/provider", False),
        ("nvidia.com/gpu", False),
        ("node-role.kubernetes.io/control-plane", False),
        ("karpenter.sh/nodepool", False),
        ("karpenter.sh/disrupted-by-us", False),
        ("ToBeDeletedByClusterAutoscalers", False),
        ("example.com/startup-taint.cluster-autoscaler.kubernetes.io/x", False),
        ("startup-taint.example.com/x", False),
        ("aws-node-termination-handler", False),
        ("node.kubernetes.io", False),
        ("kubernetes.azure.com/scalesetpriority", False),
        ("dedicated", False),
        ("", False),
    ],
)
def test_a_taint_is_temporary_by_its_key(key: str, temporary: bool) -> None:  # noqa: FBT001
    """Exact keys match whole, prefixes match what is below them."""
    assert is_temporary_taint(key) is temporary


@pytest.mark.parametrize(
    ("more", "temporary"),
    [(("example.com/boot",), True), (("example.com/*",), True), (("example.com",), False), (("*",), True), ((), False)],
)
def test_the_policy_adds_keys(more: tuple[str, ...], temporary: bool) -> None:  # noqa: FBT001
    """An asterisk at the end makes a prefix."""
    assert is_temporary_taint("example.com/boot", more) is temporary
