"""A table of the GPU nodes for people: nodes that show the same share one row."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from webhook.decide.nodes.fact_differences import differences
from webhook.decide.nodes.kind import KindSources, NodeKind, nodes_of_interest
from webhook.decide.nodes.known_facts import summary
from webhook.decide.nodes.runtime_handler import HandlerState, handler_evidence
from webhook.kube.values import EMPTY
from webhook.policy.model import Policy
from webhook.view.view import ClusterView


@dataclass(frozen=True, slots=True)
class NodeRow:
    """Nodes that show the same, by name; ``allocatable`` and ``capacity`` are those of the GPU resources.

    ``handler`` is None where the policy's RuntimeClass does not exist. ``reported`` is what the nodes report by
    themselves (node facts), empty for nothing; ``differences`` is where labels and others say something else.
    """

    nodes: tuple[str, ...]
    allocatable: tuple[tuple[str, str], ...]
    capacity: tuple[tuple[str, str], ...]
    handler: HandlerState | None
    kind: NodeKind
    reported: str = ""
    differences: tuple[str, ...] = ()

    @property
    def needs_attention(self) -> bool:
        """Say whether the nodes look like GPU nodes, and offer no GPU."""
        return not self.kind.offers

    def to_json(self) -> dict[str, Any]:
        """Return the row as ``/state`` shows it; an empty ``plugin`` is none that is known."""
        kind = self.kind
        return {
            "nodes": self.nodes,
            "needsAttention": self.needs_attention,
            "allocatable": dict(self.allocatable),
            "capacity": dict(self.capacity),
            "handler": self.handler,
            "driver": kind.driver.directory if kind.driver else "",
            "driverVersion": kind.driver_version,
            "plugin": _plugin(kind),
            "nvml": kind.nvml,
            "pluginClass": kind.plugin_class,
            "reported": self.reported,
            "differences": self.differences,
        }


def node_rows(view: ClusterView, policy: Policy) -> list[NodeRow]:
    """Return the rows: those that need attention first, then by name."""
    found = (view.runtime_classes or EMPTY).get(policy.runtime_class)
    rows: dict[NodeRow, list[str]] = {}
    sources = KindSources.of(view, policy)
    for node, kind in nodes_of_interest(sources):
        handler = handler_evidence(kind, found) if found else None
        known = sources.known(node)
        offers, has = _gpus(node.allocatable, policy), _gpus(node.capacity, policy)
        differing = tuple(differences(node, known, policy))
        alike = NodeRow((), offers, has, handler, kind, summary(known), differing)
        rows.setdefault(alike, []).append(node.name)
    merged = (replace(row, nodes=tuple(sorted(names))) for row, names in rows.items())
    return sorted(merged, key=lambda row: (not row.needs_attention, row.nodes))


def _gpus(quantities: Mapping[str, str], policy: Policy) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, amount) for name, amount in quantities.items() if policy.is_gpu_resource(name)))


def _plugin(kind: NodeKind) -> str:
    """Say how far the plugin is, ``ready`` being one that also registered GPUs."""
    if kind.plugin_healthy:
        return "ready"
    if kind.plugin_runs:
        return "running"
    return "" if kind.nvml is None else "not running"
