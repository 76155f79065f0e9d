"""Providers: what hands GPUs to pods without a RuntimeClass, node by node."""

from collections.abc import Iterator

from webhook.decide.decision import Reason
from webhook.decide.nodes.kind import NodeKind
from webhook.decide.nodes.runtime_handler import HandlerState, handler_evidence
from webhook.nvidia.plugin_settings import CDI_PREFIX
from webhook.observations.plugin_observation import PluginState
from webhook.policy.model import Policy
from webhook.view.view import Nvml, RuntimeClass


def node_provider(kind: NodeKind, resources: frozenset[str] | None = None) -> Reason | None:
    """Return the provider of a kind of nodes for a pod's resources (None: for any), None where none is known."""
    return next(_providers(kind, resources), None)


def provider(kind: NodeKind, policy: Policy, resources: frozenset[str]) -> Reason | None:
    """Return the first provider of a kind of nodes that the policy does not overrule."""
    return next((reason for reason in _providers(kind, resources) if not is_overruled(reason, policy)), None)


def conflicting_provider(
    kind: NodeKind, policy: Policy, resources: frozenset[str], found: RuntimeClass
) -> Reason | None:
    """Return a provider with which the class would break a pod.

    NVIDIA's runtime as the default is none, where the node proves the class's handler: both are the same runtime.
    """
    for reason in _providers(kind, resources):
        is_same_runtime = reason is Reason.PLATFORM_PROVIDES and handler_evidence(kind, found) is HandlerState.PROVEN
        if not is_same_runtime and not is_overruled(reason, policy):
            return reason
    return None


def brings_gpus_by_default(kind: NodeKind) -> bool:
    """Say whether NVIDIA's runtime is the default of the nodes: then it also serves containers without a request."""
    return Reason.PLATFORM_PROVIDES in _providers(kind, frozenset())


def is_overruled(reason: Reason, policy: Policy) -> bool:
    """Say whether the policy overrules a reason."""
    return str(reason) in policy.overrule


def _providers(kind: NodeKind, resources: frozenset[str] | None) -> Iterator[Reason]:
    # What a device plugin offers on the node is not taken from DRA.
    if kind.dynamic if resources is None else kind.dynamic & resources:
        yield Reason.DRA
    if _lists_by_cdi(kind):
        yield Reason.CDI
    if kind.operator:
        yield kind.operator
    if kind.of_platform or kind.has_default_runtime or _found_by_default(kind):
        yield Reason.PLATFORM_PROVIDES


def _lists_by_cdi(kind: NodeKind) -> bool:
    strategies = kind.list_strategies or ()
    # Other annotations than CDI's own are read by NVIDIA's runtime alone. A prefix that is not known may be CDI's.
    return "cdi-cri" in strategies or ("cdi-annotations" in strategies and kind.cdi_prefix in (CDI_PREFIX, None))


def _found_by_default(kind: NodeKind) -> bool:
    """Say whether the plugin was seen to find its GPU with neither a class nor a mount."""
    return kind.template_nvml is Nvml.NEITHER and kind.observed is PluginState.HEALTHY
