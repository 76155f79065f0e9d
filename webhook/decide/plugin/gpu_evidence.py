"""The evidence that a node has a GPU before any plugin offers it."""

from collections.abc import Iterator, Mapping
from typing import Any

from webhook.decide.nodes.kind import GPU_LABEL, WORKLOAD_LABEL, is_for_virtual_machines, is_labelled_gpu_node
from webhook.decide.workload.context import RuleContext
from webhook.kube.node_affinity import required_terms
from webhook.kube.values import items, mapping, text
from webhook.view.plugin_projections import daemon_set_uid
from webhook.view.view import Node

HOSTNAME_LABEL = "kubernetes.io/hostname"


def gpu_evidence(context: RuleContext, node_name: str) -> tuple[str, ...]:
    """Return the evidence that a node has a GPU, empty for none.

    A runtime handler is no evidence: one node image, with NVIDIA's runtime in it, may be used for all nodes.
    """
    if evidence_against((context.view.nodes or {}).get(node_name)):
        return ()
    return (*_of_node(context, node_name), *_of_pod(context), *_of_daemon_set(context))


def evidence_against(node: Node | None) -> str:
    """Return the evidence that a node's GPUs are not for containers, empty for none."""
    if node is None or not is_for_virtual_machines(node):
        return ""
    return f"{node.name} has {WORKLOAD_LABEL}: {node.labels[WORKLOAD_LABEL]}, so its GPUs are for virtual machines"


def _of_node(context: RuleContext, node_name: str) -> Iterator[str]:
    node = (context.view.nodes or {}).get(node_name)
    if node is None:
        return
    if is_labelled_gpu_node(node, context.policy):
        yield f"{node_name} is labelled as a GPU node"
    # A plugin that registered once and finds no GPU now leaves the resource with zero.
    if any(context.policy.is_gpu_resource(name) for name in node.capacity):
        yield f"{node_name} had a GPU resource before"


def _of_pod(context: RuleContext) -> Iterator[str]:
    if _selects_gpu_nodes(mapping(context.spec.get("nodeSelector"))):
        yield "the pod selects GPU nodes"


def _of_daemon_set(context: RuleContext) -> Iterator[str]:
    # The controller replaces the template's affinity, so that it is not visible in the pod.
    uid = daemon_set_uid(context.pod)
    for item in (context.view.daemon_sets or {}).values():
        if (
            item.uid == uid
            and item.plugin.namespace == context.request.namespace
            and _places_on_gpu_nodes(item.placement)
        ):
            yield f"DaemonSet {item.plugin.name} selects GPU nodes"


def _places_on_gpu_nodes(placement: Mapping[str, Any]) -> bool:
    terms = required_terms(placement) or []
    return _selects_gpu_nodes(mapping(placement.get("nodeSelector"))) or (
        # Terms are alternatives: each of them must select GPU nodes.
        bool(terms) and all(any(map(_asks_for_gpu, items(term.get("matchExpressions")))) for term in terms)
    )


def _asks_for_gpu(expression: Mapping[str, Any]) -> bool:
    return expression.get("operator") in ("In", "Exists", "Gt") and _is_gpu_key(text(expression.get("key")))


def _selects_gpu_nodes(selector: Mapping[str, Any]) -> bool:
    return any(_is_gpu_key(text(key)) and value != "false" for key, value in selector.items())


def _is_gpu_key(key: str) -> bool:
    return key in (HOSTNAME_LABEL, GPU_LABEL[0]) or "nvidia" in key or "gpu" in key or "10de" in key
