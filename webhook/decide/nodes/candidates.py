"""Candidate nodes: the kinds of nodes that a pod may run on.

Five thousand nodes are a handful of kinds. Evaluating all of them takes long, so it is done once, and then only for
nodes that changed in the view.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter, is_
from typing import Any

from webhook.decide.nodes.index import NodeIndex, Positions, by_value, moved
from webhook.decide.nodes.kind import KindSources, NodeKind, failed_with_class, node_kind, offered_gpus
from webhook.kube.node_affinity import tolerates_all
from webhook.kube.values import EMPTY, items
from webhook.policy.model import Policy
from webhook.view.view import ClusterView, Node


@dataclass(frozen=True, slots=True)
class Candidate:
    """A kind of node that a pod may run on, with one such node to name."""

    kind: NodeKind
    example: str


@dataclass(frozen=True, slots=True)
class NodeGroups:
    """The nodes, by name: the positions of each kind, and found by their labels."""

    groups: Mapping[NodeKind, Positions]
    index: NodeIndex


def candidates(
    view: ClusterView, policy: Policy, spec: Mapping[str, Any], resources: frozenset[str]
) -> tuple[Candidate, ...]:
    """Return the kinds of GPU nodes that a pod's constraints allow; ``spec`` is the pod's, or a joined one.

    Nodes that only carry a GPU label count where no such node offers the resources, and cordoned nodes where there is
    no other candidate.
    """
    landing = landing_kinds(view, policy, spec)
    offering = [item for item in landing if resources <= item.kind.offers | item.kind.dynamic]
    labelled = (item for item in landing if item.kind.is_gpu_node and not item.kind.offers)
    return _schedulable(offering or list(labelled))


def landing_kinds(view: ClusterView, policy: Policy, spec: Mapping[str, Any]) -> tuple[Candidate, ...]:
    """Return the kinds of all nodes that a pod's constraints allow, with a GPU or without."""
    known = node_groups(view, policy)
    found = known.index.selected(spec)
    tolerations = tuple(items(spec.get("tolerations")))
    return tuple(
        Candidate(kind, known.index.first(fit).name)
        for kind, members in known.groups.items()
        if (fit := members & found)
        # A pod with nodeName bypasses the scheduler, so NoSchedule taints do not count.
        and (spec.get("nodeName") or tolerates_all(tolerations, kind.taints))
    )


def all_candidates(view: ClusterView, policy: Policy, spec: Mapping[str, Any]) -> tuple[Candidate, ...]:
    """Return the kinds of nodes that a pod may run on which requests no GPU."""
    return _schedulable(list(landing_kinds(view, policy, spec)))


def _schedulable(found: list[Candidate]) -> tuple[Candidate, ...]:
    return tuple(item for item in found if not item.kind.is_cordoned) or tuple(found)


def gpu_kinds(view: ClusterView, policy: Policy) -> tuple[Candidate, ...]:
    """Return the kinds of all GPU nodes, each with a node to name."""
    known = node_groups(view, policy)
    return tuple(
        Candidate(kind, known.index.first(members).name) for kind, members in known.groups.items() if kind.is_gpu_node
    )


def node_groups(view: ClusterView, policy: Policy) -> NodeGroups:
    """Return the nodes of a view in groups.

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
    """What is known of a view: the kind of each node, and the nodes in groups."""

    view: ClusterView
    kinds: Mapping[str, NodeKind]
    found: NodeGroups


class _Fleet:
    """The nodes under one policy. It remembers the last view and evaluates only what has changed since."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._known = _Known(ClusterView(), {}, NodeGroups({}, NodeIndex(())))

    def of(self, view: ClusterView) -> NodeGroups:
        """Return the nodes of a view. Safe for threads: the known state is replaced as a whole."""
        known = self._known
        if not _is_same(known.view, view):
            known = self._known = self._following(known, view)
        return known.found

    def _following(self, known: _Known, view: ClusterView) -> _Known:
        names = _touched(known.view, view)
        if not names:
            return _Known(view, known.kinds, known.found)
        judged = {node.name: kind for node, kind in _kinds_of(_part(view, names), self._policy)}
        before = {name: kind for name in names if (kind := known.kinds.get(name))}
        nodes = view.nodes or EMPTY
        kinds = {name: kind for name, kind in known.kinds.items() if name not in names} | judged
        if before.keys() == judged.keys():
            index = known.found.index.following({name: nodes[name] for name in judged})
            moves = [(index.position(name), before[name], kind) for name, kind in judged.items()]
            return _Known(view, kinds, NodeGroups(_in_order(moved(known.found.groups, moves)), index))
        members = [nodes[name] for name in sorted(kinds)]
        groups = by_value([kinds[node.name] for node in members])
        return _Known(view, kinds, NodeGroups(groups, NodeIndex(members)))


@lru_cache(maxsize=4)
def _fleet(policy: _Same) -> _Fleet:
    return _Fleet(policy.policy)


# What a view says of many nodes at once.
_SHARED_FIELDS = ("daemon_sets", "cluster_policies", "gpu_clusters", "device_classes", "facts_daemon_sets")
_NODE_FIELDS = ("nodes", "plugin_pods", "resource_slices", "facts_pods", "observations", "setbacks")


_facts_of_nodes = attrgetter(*_NODE_FIELDS, *_SHARED_FIELDS)


def _is_same(one: ClusterView, other: ClusterView) -> bool:
    return one is other or all(map(is_, _facts_of_nodes(one), _facts_of_nodes(other)))


def _touched(before: ClusterView, now: ClusterView) -> set[str]:
    """Return the names of the nodes of which the views may show different facts."""
    if any((getattr(before, field) or EMPTY) != (getattr(now, field) or EMPTY) for field in _SHARED_FIELDS):
        # DaemonSets decide which pods are trusted, and describe nodes that have no plugin pod yet.
        return {*(before.nodes or ()), *(now.nodes or ())}
    pods = _shown(before, now, "plugin_pods")
    slices = _shown(before, now, "resource_slices")
    if (before.resource_slices is None) != (now.resource_slices is None) or any(not item.node for item in slices):
        return {*(before.nodes or ()), *(now.nodes or ())}
    found = _differing(before.nodes, now.nodes)
    found.update(item.node for item in (*pods, *slices, *_shown(before, now, "facts_pods")))
    return found | _observed(before, now) | (failed_with_class(before) ^ failed_with_class(now))


def _observed(before: ClusterView, now: ClusterView) -> set[str]:
    """Return the nodes of the kinds for which other states were observed."""
    if before.observations is now.observations:
        return set()
    old, new = before.observations, now.observations
    hosts = {key.host for key in (*old.entries, *new.entries) if old.state(key) is not new.state(key)}
    return {node.name for node in (now.nodes or EMPTY).values() if node.host in hosts} if hosts else set()


def _shown(before: ClusterView, now: ClusterView, field: str) -> list[Any]:
    """Return the values of a kind that differ between two views, from both."""
    old, new = getattr(before, field), getattr(now, field)
    keys = _differing(old, new)
    return [value for values in (old, new) for key in keys if (value := (values or EMPTY).get(key))]


def _differing(before: Mapping[str, object] | None, now: Mapping[str, object] | None) -> set[str]:
    """Return the keys of values that are not the very same. What is equal stays the same object in the view."""
    if before is now:
        return set()
    old, new = before or EMPTY, now or EMPTY
    return {key for key, value in new.items() if old.get(key) is not value} | (old.keys() - new.keys())


def _part(view: ClusterView, names: set[str]) -> ClusterView:
    """Return what the view says about some nodes."""
    nodes, pods, slices = view.nodes or EMPTY, view.plugin_pods or EMPTY, view.resource_slices
    return ClusterView(
        **{field: getattr(view, field) for field in (*_SHARED_FIELDS, "observations", "setbacks")},
        nodes={name: nodes[name] for name in names if name in nodes},
        plugin_pods={key: pod for key, pod in pods.items() if pod.node in names},
        facts_pods={key: pod for key, pod in view.facts_pods.items() if pod.node in names},
        resource_slices=None
        if slices is None
        else {key: item for key, item in slices.items() if not item.node or item.node in names},
    )


def _kinds_of(view: ClusterView, policy: Policy) -> Iterator[tuple[Node, NodeKind]]:
    """Yield the nodes, each with its kind; equal kinds are one object."""
    sources = KindSources.of(view, policy)
    known: dict[tuple[tuple[str, str], ...], frozenset[str]] = {}
    kinds: dict[NodeKind, NodeKind] = {}
    for node in (view.nodes or EMPTY).values():
        amounts = tuple(node.allocatable.items())
        if amounts not in known:
            known[amounts] = offered_gpus(node, policy)
        kind = node_kind(node, known[amounts], sources)
        yield node, kinds.setdefault(kind, kind)


def _in_order(groups: Mapping[NodeKind, Positions]) -> Mapping[NodeKind, Positions]:
    """Return the groups by their first nodes, so that the order does not depend on earlier views."""
    return dict(sorted(groups.items(), key=lambda group: group[1] & -group[1]))
