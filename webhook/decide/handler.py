"""What the API server shows of a node: whether it knows the class's handler, or hands GPUs out without us."""

from enum import StrEnum

from webhook.decide.decision import Reason
from webhook.decide.nodes import NodeKind
from webhook.policy.model import Policy
from webhook.view.view import ClusterView, Nvml, RuntimeClass


class Handler(StrEnum):
    """Whether a node knows a RuntimeClass's handler."""

    PROVEN = "proven"
    DISPROVED = "disproved"
    UNKNOWN = "unknown"


def handler_evidence(kind: NodeKind, runtime_class: RuntimeClass) -> Handler:
    """Say whether nodes of a kind know the handler; the strongest evidence first."""
    if runtime_class.name in kind.classes:
        return Handler.PROVEN
    if kind.handlers is not None:
        return Handler.PROVEN if runtime_class.handler in kind.handlers else Handler.DISPROVED
    return Handler.DISPROVED if kind.is_docker else Handler.UNKNOWN


def node_provider(kind: NodeKind) -> Reason | None:
    """Return the reason for which nodes of a kind need nothing of us, None where they may."""
    if any(strategy.startswith("cdi-") for strategy in kind.list_strategies or ()):
        return Reason.CDI
    # The plugin found the driver with nothing in its pod: the default runtime brings it, or the platform.
    if kind.plugin_healthy and (kind.of_platform or kind.nvml is Nvml.NEITHER):
        return Reason.PLATFORM_PROVIDES
    return None


def provider(kind: NodeKind, policy: Policy) -> Reason | None:
    """Return the same, unless the policy says that this reason does not hold."""
    reason = node_provider(kind)
    return None if reason is None or is_overruled(reason, policy) else reason


def is_overruled(reason: Reason, policy: Policy) -> bool:
    """Say whether the administrator knows better."""
    return str(reason) in policy.overrule


def cluster_provider(view: ClusterView, resources: frozenset[str]) -> Reason | None:
    """Return the reason for which no node of the cluster needs us: the GPU Operator's settings, or DRA."""
    policies = (view.cluster_policies or {}).values()
    if any(policy.nri for policy in policies):
        return Reason.NRI
    if any(policy.cdi for policy in policies):
        return Reason.CDI
    served = {device_class.extended_resource for device_class in (view.device_classes or {}).values()}
    return Reason.DRA if resources and resources <= served else None
