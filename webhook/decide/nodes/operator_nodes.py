"""How NVIDIA's GPU Operator hands GPUs out on a node that it manages."""

from webhook.decide.decision import Reason
from webhook.kube.values import EMPTY
from webhook.view.gpu_operator import ClusterPolicy
from webhook.view.view import ClusterView, Node

# The operator labels each node that it manages with what it deploys there.
# Source: https://docs.nvidia.com/datacenter/cloud-native/gpu-operator/latest/getting-started.html
DEPLOY_PREFIX = "nvidia.com/gpu.deploy."
OPERANDS_LABEL = "nvidia.com/gpu.deploy.operands"
TOOLKIT_LABEL = "nvidia.com/gpu.deploy.container-toolkit"


def operator_provider(view: ClusterView, node: Node, *, has_other_plugin: bool) -> Reason | None:
    """Return how the operator hands GPUs out on a node, None where it does not.

    ``has_other_plugin`` says that a device plugin of another owner is for the node: then only the operator's labels
    show that it manages the node, too.
    """
    if not (view.cluster_policies or view.gpu_clusters) or not _is_managed(node, has_other_plugin=has_other_plugin):
        return None
    return operator_default(view, has_toolkit=node.labels.get(TOOLKIT_LABEL) != "false")


def operator_default(view: ClusterView, *, has_toolkit: bool = True) -> Reason | None:
    """Return how the operator hands GPUs out on the nodes that it manages, None where there is no operator."""
    # A GPUCluster excludes ClusterPolicies; it serves pods by DRA alone.
    if view.gpu_clusters:
        return Reason.DRA
    policies = sorted((view.cluster_policies or EMPTY).items())
    found = (_provider(policy, has_toolkit=has_toolkit) for _, policy in policies)
    return next((reason for reason in found if reason), None)


def _is_managed(node: Node, *, has_other_plugin: bool) -> bool:
    if node.labels.get(OPERANDS_LABEL) == "false":
        return False
    return not has_other_plugin or any(key.startswith(DEPLOY_PREFIX) for key in node.labels)


def _provider(policy: ClusterPolicy, *, has_toolkit: bool) -> Reason | None:
    if policy.nri:
        return Reason.NRI
    if policy.uses_cdi:
        return Reason.CDI
    # The operator's toolkit makes NVIDIA's runtime the default, unless a setting prevents it.
    if has_toolkit and policy.toolkit_enabled and not policy.keeps_default_runtime:
        return Reason.PLATFORM_PROVIDES
    # Without the version an absent field says nothing, and a class could break the pod.
    return Reason.CDI if policy.uses_cdi is None else None
