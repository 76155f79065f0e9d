"""The evidence that a node has a GPU for containers, before any plugin offers it."""

from collections.abc import Iterator
from dataclasses import dataclass

from webhook.decide.workload.context import RuleContext
from webhook.kube.label_selector import has_labels
from webhook.kube.node_affinity import term_selects
from webhook.kube.quantity import is_positive
from webhook.nvidia.gpu_labels import LabelEvidence, gpu_labels
from webhook.nvidia.gpu_selectors import SelectorEvidence, selector_evidence
from webhook.nvidia.passthrough import passthrough_resource
from webhook.view.plugin_projections import daemon_set_uid
from webhook.view.view import Node


@dataclass(frozen=True, slots=True)
class _Sign:
    """One sign of a GPU, in words. ``needs_driver`` says that it shows a device whose driver is not known."""

    text: str
    needs_driver: bool = False


def gpu_evidence(context: RuleContext, node_name: str) -> tuple[str, ...]:
    """Return the evidence that a node has a GPU, empty for none.

    A runtime handler is no evidence: one node image, with NVIDIA's runtime in it, may be used for all nodes.
    """
    node = (context.view.nodes or {}).get(node_name)
    if _labels_against(node):
        return ()
    has_other_driver = bool(other_driver(context, node))
    signs = (*_of_node(context, node), *_of_selectors(context, node))
    return tuple(sign.text for sign in signs if not (sign.needs_driver and has_other_driver))


def evidence_against(context: RuleContext, node_name: str) -> str:
    """Return why a node has no GPU for containers, empty where nothing shows that."""
    node = (context.view.nodes or {}).get(node_name)
    return _labels_against(node) or other_driver(context, node)


def other_driver(context: RuleContext, node: Node | None) -> str:
    """Return what shows that the node's GPUs have another driver than NVIDIA's, empty for nothing."""
    if node is None or any(map(context.policy.is_gpu_resource, node.capacity)):
        return ""
    offered = (name for name, amount in node.capacity.items() if is_positive(amount))
    name = passthrough_resource(name for name in offered if not context.policy.is_gpu_resource(name))
    return f"{node.name} offers {name}, so its GPUs are for virtual machines" if name else ""


def _labels_against(node: Node | None) -> str:
    against = gpu_labels(node.labels).against if node else ()
    return f"{node.name} has the label {against[0]}, so it has no GPU for containers" if node and against else ""


def _of_node(context: RuleContext, node: Node | None) -> Iterator[_Sign]:
    if node is None:
        return
    shown = gpu_labels(node.labels)
    for label in (*shown.gpu, *shown.tegra):
        yield _Sign(f"{node.name} has the label {label}")
    for label in shown.pci:
        yield _Sign(f"{node.name} has the label {label}", needs_driver=True)
    wanted = context.policy.bootstrap.gpu_nodes
    if wanted and has_labels(node.labels, wanted):
        yield _Sign(f"{node.name} has the labels of the policy's bootstrap.gpuNodes")
    # A plugin that registered once and finds no GPU now leaves the resource with zero.
    if any(map(context.policy.is_gpu_resource, node.capacity)):
        yield _Sign(f"{node.name} has a GPU resource in its capacity")


def _of_selectors(context: RuleContext, node: Node | None) -> Iterator[_Sign]:
    """Yield what the pod selects, and its DaemonSet: the controller replaces the template's affinity in the pod."""
    if found := selector_evidence(context.spec):
        yield _sign("the pod", found)
    uid = daemon_set_uid(context.pod)
    for item in (context.view.daemon_sets or {}).values():
        if item.uid != uid or item.plugin.namespace != context.request.namespace:
            continue
        matches = None if node is None else lambda term: term_selects(term, node)
        if found := selector_evidence(item.placement, matches):
            yield _sign(f"DaemonSet {item.plugin.name}", found)


def _sign(subject: str, found: SelectorEvidence) -> _Sign:
    return _Sign(f"{subject} selects GPU nodes: {found.text}", needs_driver=found.kind is LabelEvidence.PCI)
