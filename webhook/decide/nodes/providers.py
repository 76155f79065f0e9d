"""Providers: what hands GPUs to pods without a RuntimeClass."""

from webhook.decide.decision import Reason
from webhook.decide.nodes.kind import NodeKind
from webhook.policy.model import Policy
from webhook.view.view import ClusterView, Nvml


def node_provider(kind: NodeKind) -> Reason | None:
    """Return the provider of a kind of nodes, None where none is known."""
    if any(strategy.startswith("cdi-") for strategy in kind.list_strategies or ()):
        return Reason.CDI
    # The plugin found the driver with nothing in its pod: the default runtime brings it, or the platform.
    if kind.plugin_healthy and (kind.of_platform or kind.nvml is Nvml.NEITHER):
        return Reason.PLATFORM_PROVIDES
    return None


def provider(kind: NodeKind, policy: Policy) -> Reason | None:
    """Return the provider of a kind of nodes, unless the policy overrules it."""
    reason = node_provider(kind)
    return None if reason is None or is_overruled(reason, policy) else reason


def is_overruled(reason: Reason, policy: Policy) -> bool:
    """Say whether the policy overrules a reason."""
    return str(reason) in policy.overrule


def cluster_provider(view: ClusterView, resources: frozenset[str]) -> Reason | None:
    """Return the provider of the whole cluster: the GPU Operator's settings, or DRA."""
    policies = (view.cluster_policies or {}).values()
    if any(policy.nri for policy in policies):
        return Reason.NRI
    if any(policy.cdi for policy in policies):
        return Reason.CDI
    served = {device_class.extended_resource for device_class in (view.device_classes or {}).values()}
    return Reason.DRA if resources and resources <= served else None
