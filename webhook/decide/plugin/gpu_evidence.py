"""The evidence that a node has a GPU for containers, before any plugin offers it."""

from collections.abc import Iterator

from webhook.decide.nodes.known_facts import KnownFacts, describe, describe_gpus
from webhook.decide.workload.context import RuleContext
from webhook.kube.label_selector import has_labels
from webhook.kube.node_affinity import term_selects
from webhook.kube.quantity import is_positive
from webhook.nvidia.gpu_labels import gpu_labels
from webhook.nvidia.gpu_resources import is_renamed_gpu
from webhook.nvidia.gpu_selectors import selector_evidence
from webhook.nvidia.passthrough import passthrough_resource
from webhook.nvidia.special_hosts import is_tegra, is_virtual_node
from webhook.view.plugin_projections import daemon_set_uid
from webhook.view.view import Node


def gpu_evidence(context: RuleContext, node_name: str, known: KnownFacts) -> tuple[str, ...]:
    """Return the evidence that a node has a GPU, empty for none; ``known`` is what the node reports by itself.

    A runtime handler is no evidence: one node image, with NVIDIA's runtime in it, may be used for all nodes.
    """
    node = (context.view.nodes or {}).get(node_name)
    if _labels_against(node):
        return ()
    by_policy = tuple(_of_policy(context, node))
    if known.shows_gpu is False:
        return by_policy
    if known.shows_gpu:
        return (*describe(node_name, known), *_of_node(context, node), *by_policy, *_of_selectors(context, node))
    if other_driver(context, node):
        return by_policy
    return (*_of_node(context, node), *by_policy, *_of_selectors(context, node))


def evidence_against(context: RuleContext, node_name: str, known: KnownFacts) -> str:
    """Return why a node has no GPU for containers, empty where nothing shows that."""
    node = (context.view.nodes or {}).get(node_name)
    return _labels_against(node) or other_driver(context, node) or _facts_against(node_name, known)


def _facts_against(node_name: str, known: KnownFacts) -> str:
    if known.facts is None or known.shows_gpu is not False:
        return ""
    return f"{node_name} reports: {describe_gpus(known.facts)}"


def other_driver(context: RuleContext, node: Node | None) -> str:
    """Return what shows that the node's GPUs have another driver than NVIDIA's, empty for nothing.

    A GPU resource in the capacity shows that some GPU is for containers. So does the policy's ``gpuNodes``, for which
    the caller looks: an administrator knows better.
    """
    if node is None or _has_gpu_resource(context, node):
        return ""
    name = passthrough_resource(name for name, amount in node.capacity.items() if is_positive(amount))
    return f"{node.name} offers {name}, so its GPUs are for virtual machines" if name else ""


def _labels_against(node: Node | None) -> str:
    if node and is_virtual_node(node.labels, (taint.key for taint in node.taints)):
        return f"{node.name} is a virtual node, so it has no devices"
    against = gpu_labels(node.labels).against if node else ()
    return f"{node.name} has the label {against[0]}, so it has no GPU for containers" if node and against else ""


def _of_node(context: RuleContext, node: Node | None) -> Iterator[str]:
    if node is None:
        return
    shown = gpu_labels(node.labels)
    for label in (*shown.gpu, *shown.tegra, *shown.pci):
        yield f"{node.name} has the label {label}"
    if is_tegra(node):
        yield f"{node.name} has the kernel of a Tegra system"
    # A plugin that registered once and finds no GPU now leaves the resource with zero.
    if _has_gpu_resource(context, node):
        yield f"{node.name} has a GPU resource in its capacity"


def _has_gpu_resource(context: RuleContext, node: Node) -> bool:
    return any(context.policy.is_gpu_resource(name) or is_renamed_gpu(name) for name in node.capacity)


def _of_policy(context: RuleContext, node: Node | None) -> Iterator[str]:
    wanted = context.policy.bootstrap.gpu_nodes
    if node and wanted and has_labels(node.labels, wanted):
        yield f"{node.name} has the labels of the policy's bootstrap.gpuNodes"


def _of_selectors(context: RuleContext, node: Node | None) -> Iterator[str]:
    """Yield what the pod selects, and its DaemonSet: the controller replaces the template's affinity in the pod."""
    if found := selector_evidence(context.spec):
        yield f"the pod selects GPU nodes: {found.text}"
    uid = daemon_set_uid(context.pod)
    matches = None if node is None else lambda term: term_selects(term, node)
    sets = (context.view.daemon_sets or {}).values()
    for item in (item for item in sets if (item.plugin.namespace, item.uid) == (context.request.namespace, uid)):
        if found := selector_evidence(item.placement, matches):
            yield f"DaemonSet {item.plugin.name} selects GPU nodes: {found.text}"
