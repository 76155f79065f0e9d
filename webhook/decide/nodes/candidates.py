"""Candidate nodes: the kinds of GPU nodes that a pod may run on.

Five thousand nodes are a handful of kinds. Evaluating all of them takes long, so it is done once, and then only for
nodes that changed in the view.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from webhook.decide.nodes.index import NodeIndex, Positions, by_value, moved
from webhook.decide.nodes.kind import NodeKind, is_labelled_gpu_node, node_kind, offered_gpus, profiles
from webhook.decide.nodes.trusted_plugins import TrustedPlugins
from webhook.kube.node_affinity import tolerates_all
from webhook.kube.values import EMPTY, items
from webhook.nvidia.driver_profiles import HostDrivers
from webhook.policy.model import Policy
from webhook.view.view import ClusterView, Node


@dataclass(frozen=True, slots=True)
class Candidate:
    """A kind of node that a pod may run on, with one such node to name."""

    kind: NodeKind
    example: str


@dataclass(frozen=True, slots=True)
class GpuNodes:
    """The nodes that hand out GPUs, by name: the positions of each kind, and found by their labels."""

    groups: Mapping[NodeKind, Positions]
    index: NodeIndex


def candidates(
    view: ClusterView, policy: Policy, spec: Mapping[str, Any], resources: frozenset[str]
) -> tuple[Candidate, ...]:
    """Return the kinds of GPU nodes that a pod's constraints allow; ``spec`` is the pod's, or a joined one."""
    known = gpu_nodes(view, policy)
    found = known.index.selected(spec)
    tolerations = tuple(items(spec.get("tolerations")))
    return tuple(
        Candidate(kind, known.index.first(fit).name)
        for kind, members in known.groups.items()
        if (fit := members & found)
        and (resources <= kind.offers or not kind.offers)
        # A pod with nodeName bypasses the scheduler, so NoSchedule taints do not count.
        and (spec.get("nodeName") or tolerates_all(tolerations, kind.taints))
    )


def gpu_kinds(view: ClusterView, policy: Policy) -> tuple[Candidate, ...]:
    """Return the kinds of all GPU nodes, each with a node to name."""
    known = gpu_nodes(view, policy)
    return tuple(Candidate(kind, known.index.first(members).name) for kind, members in known.groups.items())


def gpu_nodes(view: ClusterView, policy: Policy) -> GpuNodes:
    """Return the nodes that offer a GPU resource, or are labelled as GPU nodes.

    That is quick for a view that differs little from the one that was asked about before.
    """
    return _fleet(_Same(policy)).of(view)


@dataclass(frozen=True, slots=True, eq=False)
class _Same:
    """Wraps a policy so that it is hashed by identity."""

    policy: Policy

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.policy is other.policy

    def __hash__(self) -> int:
        return id(self.policy)


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of a view: the kind of each GPU node, and the nodes in groups."""

    view: ClusterView
    kinds: Mapping[str, NodeKind]
    found: GpuNodes


class _Fleet:
    """The GPU nodes under one policy. It remembers the last view and evaluates only what has changed since."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._known = _Known(ClusterView(), {}, GpuNodes({}, NodeIndex(())))

    def of(self, view: ClusterView) -> GpuNodes:
        """Return the GPU nodes of a view. Safe for threads: the known state is replaced as a whole."""
        known = self._known
        if not _is_same(known.view, view):
            known = self._known = self._following(known, view)
        return known.found

    def _following(self, known: _Known, view: ClusterView) -> _Known:
        names = _touched(known.view, view)
        judged = {node.name: kind for node, kind in _kinds_of(_part(view, names), self._policy)}
        before = {name: kind for name in names if (kind := known.kinds.get(name))}
        nodes = view.nodes or EMPTY
        kinds = {name: kind for name, kind in known.kinds.items() if name not in names} | judged
        if before.keys() == judged.keys():
            index = known.found.index.following({name: nodes[name] for name in judged})
            moves = [(index.position(name), before[name], kind) for name, kind in judged.items()]
            return _Known(view, kinds, GpuNodes(_in_order(moved(known.found.groups, moves)), index))
        members = [nodes[name] for name in sorted(kinds)]
        groups = by_value([kinds[node.name] for node in members])
        return _Known(view, kinds, GpuNodes(groups, NodeIndex(members)))


@lru_cache(maxsize=4)
def _fleet(policy: _Same) -> _Fleet:
    return _Fleet(policy.policy)


def _is_same(one: ClusterView, other: ClusterView) -> bool:
    return one.nodes is other.nodes and one.plugin_pods is other.plugin_pods and one.daemon_sets is other.daemon_sets


def _touched(before: ClusterView, now: ClusterView) -> set[str]:
    """Return the names of the nodes of which the views may show different facts."""
    if before.daemon_sets is not now.daemon_sets:
        # They decide which pods are trusted, and describe nodes that have no plugin pod yet.
        return {*(before.nodes or ()), *(now.nodes or ())}
    pods = _differing(before.plugin_pods, now.plugin_pods)
    shown = (pod for view in (before, now) for key in pods if (pod := (view.plugin_pods or EMPTY).get(key)))
    return _differing(before.nodes, now.nodes).union(pod.node for pod in shown)


def _differing(before: Mapping[str, object] | None, now: Mapping[str, object] | None) -> set[str]:
    """Return the keys of values that are not the very same. What is equal stays the same object in the view."""
    if before is now:
        return set()
    old, new = before or EMPTY, now or EMPTY
    return {key for key, value in new.items() if old.get(key) is not value} | (old.keys() - new.keys())


def _part(view: ClusterView, names: set[str]) -> ClusterView:
    """Return what the view says about some nodes."""
    nodes, pods = view.nodes or EMPTY, view.plugin_pods or EMPTY
    return ClusterView(
        nodes={name: nodes[name] for name in names if name in nodes},
        plugin_pods={key: pod for key, pod in pods.items() if pod.node in names},
        daemon_sets=view.daemon_sets,
    )


def _kinds_of(view: ClusterView, policy: Policy) -> Iterator[tuple[Node, NodeKind]]:
    """Yield the GPU nodes, each with its kind; equal kinds are one object."""
    trusted = TrustedPlugins.of(view, policy)
    drivers = HostDrivers(profiles(policy))
    known: dict[tuple[tuple[str, str], ...], frozenset[str]] = {}
    kinds: dict[NodeKind, NodeKind] = {}
    for node in (view.nodes or EMPTY).values():
        amounts = tuple(node.allocatable.items())
        if amounts not in known:
            known[amounts] = offered_gpus(node, policy)
        offers = known[amounts]
        if offers or is_labelled_gpu_node(node, policy):
            kind = node_kind(node, offers, trusted, drivers)
            yield node, kinds.setdefault(kind, kind)


def _in_order(groups: Mapping[NodeKind, Positions]) -> Mapping[NodeKind, Positions]:
    """Return the groups by their first nodes, so that the order does not depend on earlier views."""
    return dict(sorted(groups.items(), key=lambda group: group[1] & -group[1]))
