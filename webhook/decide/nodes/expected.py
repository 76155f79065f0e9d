"""Nodes to come: how GPUs will be handed out where no node is known yet that a pod may run on."""

from collections.abc import Iterator, Mapping
from typing import Any

from webhook.decide.nodes.candidates import Candidate
from webhook.decide.nodes.dynamic_devices import served_resources
from webhook.decide.nodes.kind import NodeKind, with_plugin
from webhook.decide.nodes.operator_nodes import operator_default
from webhook.decide.nodes.trusted_plugins import observed_anywhere, trusted_daemon_sets
from webhook.kube.values import mapping, text
from webhook.policy.model import Policy
from webhook.view.view import ClusterView, PluginDaemonSet

BLANK = NodeKind(frozenset(), (), None, is_docker=False, driver=None, driver_version="")


def expected_candidates(
    view: ClusterView, policy: Policy, spec: Mapping[str, Any], resources: frozenset[str]
) -> tuple[Candidate, ...]:
    """Return the kinds of nodes that DaemonSets of device plugins, the GPU Operator and DRA are there for.

    Nothing is known of their handlers and drivers. A DaemonSet that is for other nodes than the pod does not count.
    """
    return tuple(_expected(view, policy, spec, resources))


def _expected(
    view: ClusterView, policy: Policy, spec: Mapping[str, Any], resources: frozenset[str]
) -> Iterator[Candidate]:
    for item in trusted_daemon_sets(view, policy):
        if _may_share_nodes(item.placement, spec):
            yield Candidate(_kind(item, view), f"DaemonSet {item.plugin.name}")
    if operator := operator_default(view):
        yield Candidate(BLANK._replace(operator=operator), "the GPU Operator")
    if dynamic := served_resources(view, policy) & resources:
        yield Candidate(BLANK._replace(dynamic=dynamic), "DRA")


def _kind(item: PluginDaemonSet, view: ClusterView) -> NodeKind:
    template = item.plugin
    return with_plugin(BLANK, template)._replace(
        template_nvml=template.nvml,
        template_class=template.runtime_class,
        observed=observed_anywhere(view.observations, template),
    )


def _may_share_nodes(placement: Mapping[str, Any], spec: Mapping[str, Any]) -> bool:
    """Say whether a DaemonSet and a pod may run on one node: no label is wanted with two values."""
    own, others = mapping(spec.get("nodeSelector")), mapping(placement.get("nodeSelector"))
    return all(text(own.get(key, value)) == text(value) for key, value in others.items())
