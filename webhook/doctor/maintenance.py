"""Nodes that take no pods, as they are repaired, upgraded or removed: trouble there keeps no GPU pod from working."""

from collections.abc import Collection

from webhook.doctor.cluster_facts import ClusterFacts
from webhook.view.view import Node


def takes_pods(node: Node) -> bool:
    """Say whether a node is neither cordoned nor away."""
    return node.ready is not False and not node.unschedulable


def is_in_maintenance(facts: ClusterFacts, nodes: Collection[str]) -> bool:
    """Say whether all these nodes take no pods, while another GPU node takes some and offers GPUs."""
    known = [facts.node_facts.get(name) for name in nodes]
    return not any(node is None or takes_pods(node) for node in known) and any(
        takes_pods(node) and facts.offers_gpus(node) for node in facts.gpu_nodes
    )
