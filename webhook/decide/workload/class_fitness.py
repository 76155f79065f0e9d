"""Whether the policy's RuntimeClass fits a pod and the nodes that it may run on."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from webhook.decide.decision import Reason
from webhook.decide.nodes.candidates import Candidate
from webhook.decide.nodes.kind import NodeKind
from webhook.decide.nodes.providers import node_provider
from webhook.decide.nodes.runtime_handler import HandlerState, handler_evidence
from webhook.decide.workload.context import RuleContext
from webhook.kube.label_selector import has_labels
from webhook.kube.tolerations import allows
from webhook.kube.values import EMPTY, items, mapping, text
from webhook.observations.plugin_observation import PluginState
from webhook.view.toleration_limits import limits_of
from webhook.view.view import RuntimeClass, unknown_kinds

Toleration = Mapping[str, Any]


def unfit(context: RuleContext, found: RuntimeClass) -> Reason | None:
    """Return the reason why some candidate cannot run the class, None where all can."""
    if not context.class_candidates:
        return None if _trusts_unknown(context, found) else Reason.HANDLER_UNKNOWN
    bad = [item for item in context.class_candidates if not is_fit(context, found, item)]
    if not bad:
        return None
    disproved = any(handler_evidence(item.kind, found) is HandlerState.DISPROVED for item in bad)
    return Reason.HANDLER_MISSING if disproved else Reason.HANDLER_UNKNOWN


def is_fit(context: RuleContext, found: RuntimeClass, candidate: Candidate) -> bool:
    """Say whether a candidate can run the class."""
    evidence = handler_evidence(candidate.kind, found)
    return evidence is HandlerState.PROVEN or (evidence is HandlerState.UNKNOWN and _trusts_unknown(context, found))


def _trusts_unknown(context: RuleContext, found: RuntimeClass) -> bool:
    # A distribution creates its class on every cluster, so the class says nothing about any node. A pod that requests
    # no GPU may run on nodes without any, so only proof counts there.
    return context.policy.handler_unknown == "inject" and not found.of_distribution and not context.is_always


def class_evidence(context: RuleContext, found: RuntimeClass) -> Iterable[str]:
    """Yield what each kind of candidate shows of the class."""
    for item in context.class_candidates:
        reason = node_provider(item.kind, context.resources)
        yield f"{item.example}: handler {handler_evidence(item.kind, found)}{f', {reason}' if reason else ''}"
    if not context.class_candidates and context.view.nodes is not None:
        yield "no node is known that the pod may run on" if context.is_always else "no node offers the resource yet"
    yield from unknown_kinds(context.view)


def fitness_evidence(context: RuleContext) -> Iterable[str]:
    """Yield the evidence of a rule about the class: whether it exists, and what the candidates show of it."""
    found = context.runtime_class
    if found is None:
        yield no_such_class(context)
        return
    if found.of_distribution:
        yield f"RuntimeClass {found.name} is created by the distribution on every cluster, so it proves nothing"
    yield from class_evidence(context, found)


def no_such_class(context: RuleContext) -> str:
    """Return the evidence that the policy's class does not exist or is not known."""
    state = "is unknown" if context.view.runtime_classes is None else "does not exist"
    return f"RuntimeClass {context.policy.runtime_class} {state}"


def class_misfit(context: RuleContext, found: RuntimeClass, node_name: str) -> str:
    """Return why the class's nodeSelector does not fit the pod or its node, empty where it fits.

    The API server rejects a pod that gives a key another value, and a pod of a node without the labels never runs.
    """
    own = mapping(context.spec.get("nodeSelector"))
    clash = next((key for key, value in found.node_selector.items() if text(own.get(key, value)) != value), None)
    if clash is not None:
        return f"both select nodes by {clash}"
    node = (context.view.nodes or EMPTY).get(node_name)
    return f"node {node_name} lacks its labels" if node and not has_labels(node.labels, found.node_selector) else ""


def scheduling_misfit(context: RuleContext, found: RuntimeClass) -> str:
    """Return why the pod would be rejected or never run with the class's ``scheduling``, empty where it would run."""
    if why := class_misfit(context, found, text(context.spec.get("nodeName"))):
        return why
    if why := toleration_misfit(context):
        return why
    return "no GPU node is left for the pod" if context.candidates and not context.class_candidates else ""


def toleration_misfit(context: RuleContext) -> str:
    """Return why the namespace refuses the tolerations that the class adds, empty where it does not."""
    if not context.added_tolerations or all(map(_is_allowed_in(context), _new_tolerations(context))):
        return ""
    return "the namespace's list of tolerations does not allow those that it adds"


def _new_tolerations(context: RuleContext) -> Iterator[Toleration]:
    own = list(items(context.spec.get("tolerations")))
    return (item for item in context.added_tolerations if item not in own)


def _is_allowed_in(context: RuleContext) -> Callable[[Toleration], bool]:
    limits = limits_of(context.namespace_labels)
    # What cannot be read may forbid them.
    return lambda toleration: limits.is_readable and allows(limits.whitelist, toleration)


def class_mismatch(context: RuleContext) -> tuple[str, str]:
    """Return a candidate's node whose plugin is healthy under another NVIDIA class, and that class; empty for none."""
    classes = context.view.runtime_classes or EMPTY
    for item in (*context.class_candidates, *context.expected_candidates):
        other = mismatching_class(item.kind, context.policy.runtime_class, classes)
        if other:
            return item.example, other
    return "", ""


def mismatching_class(kind: NodeKind, wanted: str, classes: Mapping[str, RuntimeClass]) -> str:
    """Return another class under which the nodes' device plugin is healthy, empty for none.

    Classes with one handler are the same. A GPU management pod that runs under the wanted class proves it.
    """
    other = kind.template_class
    if kind.observed is not PluginState.HEALTHY or other in ("", wanted) or wanted in kind.classes:
        return ""
    handlers = [found.handler if (found := classes.get(name)) else name for name in (other, wanted)]
    return "" if handlers[0] == handlers[1] else other
