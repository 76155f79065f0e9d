"""What shows that a node has a GPU before any plugin offers it."""

from collections.abc import Iterator, Mapping
from typing import Any

from webhook.decide.case import Case
from webhook.decide.nodes import GPU_LABEL, is_labelled_gpu_node
from webhook.raw import items, mapping, text
from webhook.view.plugin_projections import daemon_set_uid

HOSTNAME_LABEL = "kubernetes.io/hostname"


def gpu_evidence(case: Case, node_name: str) -> tuple[str, ...]:
    """Return what shows that a node has a GPU; nothing where nothing does."""
    return (*_of_node(case, node_name), *_of_pod(case), *_of_daemon_set(case))


def _of_node(case: Case, node_name: str) -> Iterator[str]:
    node = (case.view.nodes or {}).get(node_name)
    if node is None:
        return
    if is_labelled_gpu_node(node, case.policy):
        yield f"{node_name} is labelled as a GPU node"
    # A plugin that registered once, and is blind now, leaves the resource behind with zero.
    if any(case.policy.is_gpu_resource(name) for name in node.capacity):
        yield f"{node_name} had a GPU resource before"
    handler = case.runtime_class.handler if case.runtime_class else case.policy.runtime_class
    if handler in (node.handlers or ()):
        yield f"{node_name} reports the handler {handler}"


def _of_pod(case: Case) -> Iterator[str]:
    if _selects_gpu_nodes(mapping(case.spec.get("nodeSelector"))):
        yield "the pod selects GPU nodes"


def _of_daemon_set(case: Case) -> Iterator[str]:
    # The controller replaces the template's affinity, so that it is not visible in the pod.
    uid = daemon_set_uid(case.pod)
    for item in (case.view.daemon_sets or {}).values():
        if item.uid == uid and item.plugin.namespace == case.facts.namespace and _places_on_gpu_nodes(item.placement):
            yield f"DaemonSet {item.plugin.name} selects GPU nodes"


def _places_on_gpu_nodes(placement: Mapping[str, Any]) -> bool:
    affinity = mapping(mapping(placement.get("affinity")).get("nodeAffinity"))
    required = mapping(affinity.get("requiredDuringSchedulingIgnoredDuringExecution"))
    terms = list(items(required.get("nodeSelectorTerms")))
    return _selects_gpu_nodes(mapping(placement.get("nodeSelector"))) or (
        # Terms are alternatives: each of them must tell.
        bool(terms) and all(any(map(_asks_for_gpu, items(term.get("matchExpressions")))) for term in terms)
    )


def _asks_for_gpu(expression: Mapping[str, Any]) -> bool:
    return expression.get("operator") in ("In", "Exists", "Gt") and _is_gpu_key(text(expression.get("key")))


def _selects_gpu_nodes(selector: Mapping[str, Any]) -> bool:
    return any(_is_gpu_key(text(key)) and value != "false" for key, value in selector.items())


def _is_gpu_key(key: str) -> bool:
    return key in (HOSTNAME_LABEL, GPU_LABEL[0]) or "nvidia" in key or "gpu" in key or "10de" in key
