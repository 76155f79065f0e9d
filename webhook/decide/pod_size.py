"""The size of a pod: beyond these limits, evaluating it or building its patch would delay other requests.

A user chooses all of these numbers. No node runs such a pod: the limits are far above what real pods have.
"""

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

from webhook.decide.pod import Pod, container_count
from webhook.kube.node_affinity import required_terms
from webhook.kube.values import elements, items, mapping

MAX_CONTAINERS = 250
MAX_VOLUMES = 1_000
MAX_VARIABLES = 5_000
MAX_TERMS = 500
MAX_SELECTOR_VALUES = 10_000
MAX_TOLERATIONS = 500


def exceeded_limit(pod: Pod) -> str:
    """Return the first limit that a pod exceeds, with its own number, empty where it exceeds none."""
    return next((f"{count} {what}, more than {limit}" for what, count, limit in _sizes(pod) if count > limit), "")


def _sizes(pod: Pod) -> Iterator[tuple[str, int, int]]:
    """Yield each size with its limit; a later one is not counted if an earlier one is exceeded."""
    spec = mapping(pod.get("spec"))
    yield "containers", container_count(pod), MAX_CONTAINERS
    yield "volumes", len(elements(spec.get("volumes"))), MAX_VOLUMES
    yield "tolerations", len(elements(spec.get("tolerations"))), MAX_TOLERATIONS
    for container in chain.from_iterable(items(spec.get(field)) for field in ("initContainers", "containers")):
        yield "variables in a container", len(elements(container.get("env"))), MAX_VARIABLES
        yield "mounts in a container", len(elements(container.get("volumeMounts"))), MAX_VOLUMES
    terms = required_terms(spec) or []
    yield "node selector terms", len(terms), MAX_TERMS
    yield "node selectors", len(mapping(spec.get("nodeSelector"))), MAX_TERMS
    yield "values of node selectors", sum(map(_values, terms)), MAX_SELECTOR_VALUES


def _values(term: Mapping[str, Any]) -> int:
    expressions = chain(items(term.get("matchExpressions")), items(term.get("matchFields")))
    return sum(1 + len(elements(expression.get("values"))) for expression in expressions)
