"""Whether a GPU plugin's DaemonSet is meant for nodes with GPUs, as its node selector and its affinity say.

Only for plugins that are known to be NVIDIA's: there a selector on a label about GPUs is the author's statement that
the selected nodes have one. Preferred affinity says nothing, because such a pod may run anywhere.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from webhook.kube.values import elements, items, mapping, text
from webhook.nvidia.gpu_labels import (
    FALSE_VALUES,
    INSTANCE_TYPE_LABELS,
    LabelEvidence,
    label_evidence,
    mentions_gpu,
    shows_gpu_by_key,
)
from webhook.nvidia.gpu_models import is_nvidia_instance_type, names_gpus, names_other_vendor

MOST_LABELS, MOST_TERMS, MOST_EXPRESSIONS, MOST_VALUES = 500, 500, 500, 1000
# https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
LONGEST_KEY, LONGEST_VALUE = 317, 63
HOSTNAME_LABEL = "kubernetes.io/hostname"
STRENGTH = (LabelEvidence.GPU, LabelEvidence.PCI, LabelEvidence.TEGRA)


@dataclass(frozen=True, slots=True)
class SelectorEvidence:
    """What a selector shows about the nodes that it selects, and the selector in words."""

    kind: LabelEvidence
    text: str


def selector_evidence(
    spec: Mapping[str, Any], matches_node: Callable[[Mapping[str, Any]], bool] | None = None
) -> SelectorEvidence | None:
    """Return what ``nodeSelector`` and required node affinity of a pod's spec show, None for nothing.

    Affinity terms are alternatives. ``matches_node`` says whether a term selects the node in question: then the
    strongest of the matching terms counts. Without it each term must show a GPU, and the weakest counts. Fields
    (``matchFields``) show nothing: the DaemonSet controller writes them into each pod. Beyond 500 terms nothing is
    shown.
    """
    return _strongest([*_of_node_selector(spec), *_of_affinity(spec, matches_node)])


def _of_node_selector(spec: Mapping[str, Any]) -> Iterator[SelectorEvidence]:
    for key, value in islice(mapping(spec.get("nodeSelector")).items(), MOST_LABELS):
        if kind := _in_evidence(text(key), [text(value)]):
            yield SelectorEvidence(kind, f"nodeSelector {key}={value}")


def _of_affinity(
    spec: Mapping[str, Any], matches_node: Callable[[Mapping[str, Any]], bool] | None
) -> Iterator[SelectorEvidence]:
    node_affinity = mapping(mapping(spec.get("affinity")).get("nodeAffinity"))
    required = mapping(node_affinity.get("requiredDuringSchedulingIgnoredDuringExecution"))
    terms = [term for term in elements(required.get("nodeSelectorTerms"))[: MOST_TERMS + 1] if isinstance(term, dict)]
    if len(terms) > MOST_TERMS:
        return
    if matches_node is not None:
        found = [_of_term(term) for term in terms if matches_node(term)]
        yield from (evidence for evidence in found if evidence)
        return
    each = [evidence for evidence in map(_of_term, terms) if evidence]
    if each and len(each) == len(terms):
        yield max(each, key=_rank)


def _of_term(term: Mapping[str, Any]) -> SelectorEvidence | None:
    """Return the strongest evidence of a term: all of its expressions hold."""
    return _strongest(_of_expressions(islice(items(term.get("matchExpressions")), MOST_EXPRESSIONS)))


def _of_expressions(expressions: Iterable[Mapping[str, Any]]) -> Iterator[SelectorEvidence]:
    for expression in expressions:
        key, operator = text(expression.get("key")), expression.get("operator")
        values = elements(expression.get("values"))
        kind = None
        if operator == "In" and 0 < len(values) <= MOST_VALUES:
            kind = _in_evidence(key, [text(value) for value in values])
        elif operator in ("Exists", "Gt"):
            kind = _key_evidence(key)
        if kind:
            words = f" {', '.join(map(text, values[:3]))}" if values else ""
            yield SelectorEvidence(kind, f"affinity {key} {operator}{words}"[:LONGEST_KEY])


def _in_evidence(key: str, values: list[str]) -> LabelEvidence | None:
    """Return the weakest evidence over the values, which are alternatives."""
    kinds = [_value_evidence(key, value) for value in values]
    known = [kind for kind in kinds if kind]
    return max(known, key=STRENGTH.index) if known and len(known) == len(kinds) else None


def _value_evidence(key: str, value: str) -> LabelEvidence | None:
    if len(key) > LONGEST_KEY or len(value) > LONGEST_VALUE:
        return None  # no node can have such a label
    shown = label_evidence(key, value)
    if shown is not None:
        return None if shown is LabelEvidence.AGAINST else shown
    if key == HOSTNAME_LABEL:
        return LabelEvidence.GPU if value else None
    if key in INSTANCE_TYPE_LABELS:
        # A name that is short enough to be another cloud's would not be selected for this plugin there.
        return LabelEvidence.GPU if is_nvidia_instance_type(value, on_aws=True) else None
    is_false = value.lower() in FALSE_VALUES and not _is_role(key)
    if is_false or names_other_vendor(key) or names_other_vendor(value):
        return None
    is_about_gpu = _mentions(key) or "nvidia" in value.lower() or names_gpus(value)
    return LabelEvidence.GPU if is_about_gpu else None


def _key_evidence(key: str) -> LabelEvidence | None:
    if len(key) > LONGEST_KEY:
        return None
    shown = shows_gpu_by_key(key)
    return shown or (LabelEvidence.GPU if _mentions(key) and not names_other_vendor(key) else None)


def _mentions(key: str) -> bool:
    return mentions_gpu(key) or "nvidia" in key.lower()


def _is_role(key: str) -> bool:
    """Say whether a label is one without a value: node-role.kubernetes.io/gpu."""
    return key.startswith("node-role.kubernetes.io/")


def _strongest(found: Iterable[SelectorEvidence]) -> SelectorEvidence | None:
    return min(found, key=_rank, default=None)


def _rank(evidence: SelectorEvidence) -> int:
    return STRENGTH.index(evidence.kind)
