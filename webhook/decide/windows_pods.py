"""Whether a pod is for Windows nodes, where there is no NVIDIA runtime.

Source: https://kubernetes.io/docs/concepts/windows/user-guide/
"""

from collections.abc import Mapping
from typing import Any

from webhook.kube.node_affinity import required_terms
from webhook.kube.values import elements, items, mapping, text

OS_LABELS = frozenset({"kubernetes.io/os", "beta.kubernetes.io/os"})
# Only Windows nodes have this label, with their build as its value.
BUILD_LABEL = "node.kubernetes.io/windows-build"
BUILD_OPERATORS = frozenset({"In", "Exists", "Gt", "Lt"})
WINDOWS, LINUX = "windows", "linux"


def is_windows(pod: Mapping[str, Any]) -> bool:
    """Say whether a pod can run on Windows nodes only: by its system, node selector, required affinity or options."""
    spec = mapping(pod.get("spec"))
    named = text(mapping(spec.get("os")).get("name"))
    if named:
        return named == WINDOWS
    selector = mapping(spec.get("nodeSelector"))
    if BUILD_LABEL in selector or any(selector.get(key) == WINDOWS for key in OS_LABELS):
        return True
    terms = required_terms(spec)
    # Terms are alternatives. Without any, no node fits.
    return (bool(terms) and all(map(_wants_windows, terms or ()))) or _has_windows_options(spec)


def _wants_windows(term: Mapping[str, Any]) -> bool:
    return any(map(_is_for_windows, items(term.get("matchExpressions"))))


def _is_for_windows(expression: Mapping[str, Any]) -> bool:
    key, operator = text(expression.get("key")), text(expression.get("operator"))
    if key == BUILD_LABEL:
        return operator in BUILD_OPERATORS
    if key not in OS_LABELS:
        return False
    values = set(map(text, elements(expression.get("values"))))
    match operator:
        case "In":
            return values == {WINDOWS}
        case "NotIn":
            # There is no third system.
            return LINUX in values
        case _:
            return False


def _has_windows_options(spec: Mapping[str, Any]) -> bool:
    owners = (spec, *items(spec.get("containers")), *items(spec.get("initContainers")))
    contexts = [context for owner in owners if (context := owner.get("securityContext"))]
    return any(mapping(mapping(context).get("windowsOptions")) for context in contexts)
