"""Rule 0: a pod beyond these limits is left alone, before an object is built or anything else looks at it.

No real pod comes near them. Counting costs little: lengths of lists, and of terms no more than a pod may have. What is
left to the rules after that is bounded, so that no pod keeps the requests of others waiting.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from webhook.decide.decision import Decision, Reason, Verdict
from webhook.decide.rule import RuleResult
from webhook.decide.warning_text import warning_line
from webhook.kube.node_affinity import required_terms
from webhook.kube.values import elements, mapping

Spec = Mapping[str, Any]

# Each is a list of the spec in which containers are.
CONTAINER_FIELDS = ("initContainers", "containers", "ephemeralContainers")


@dataclass(frozen=True, slots=True)
class Limit:
    """How many of something a pod may have."""

    most: int
    what: str

    def __str__(self) -> str:
        return f"more than {self.most:,} {self.what}"


def exceeded_limit(pod: Mapping[str, Any]) -> Limit | None:
    """Return the first limit that a pod exceeds, None where it exceeds none."""
    counts = _counts(mapping(pod.get("spec")))
    return next((limit for limit, count in zip(LIMITS, counts, strict=False) if count > limit.most), None)


def found_too_large(limit: object) -> RuleResult:
    """Return what a rule finds of a pod that has more than ``limit`` allows."""
    warning = f"the pod has {limit}; pod left alone, it may see no GPU"
    return RuleResult(Verdict.LEAVE, Reason.TOO_LARGE, warning, (f"the pod has {limit}",))


def left_alone(limit: object) -> Decision:
    """Return the decision to leave a pod alone that has more than ``limit`` allows."""
    found = found_too_large(limit)
    return Decision(found.verdict, found.reason, warnings=(warning_line(found.warning),), evidence=found.evidence)


def _counts(spec: Spec) -> Iterator[int]:
    """Yield what a pod has of everything that is limited, one after the other: no count is made that is not needed."""
    lists = [elements(spec.get(field)) for field in CONTAINER_FIELDS]
    yield sum(map(len, lists))
    yield len(elements(spec.get("volumes")))
    yield len(elements(spec.get("tolerations")))
    terms = required_terms(spec) or []
    yield len(terms)
    yield _selector_values(spec, terms)
    yield from _in_containers(chain.from_iterable(lists))


def _in_containers(containers: Iterable[object]) -> tuple[int, int, int]:
    """Count variables (the most in one container), mounts and resources."""
    variables = mounts = resources = 0
    for container in filter(None, map(mapping, containers)):
        variables = max(variables, len(elements(container.get("env"))))
        mounts += len(elements(container.get("volumeMounts")))
        found = mapping(container.get("resources"))
        resources += len(mapping(found.get("limits"))) + len(mapping(found.get("requests")))
    return variables, mounts, resources


def _selector_values(spec: Spec, terms: Iterable[Spec]) -> int:
    """Count the keys and values by which a pod selects nodes: each costs about the same."""
    total = len(mapping(spec.get("nodeSelector")))
    for size in _expression_sizes(terms):
        total += size
        if total > SELECTOR_VALUES:
            break
    return total


def _expression_sizes(terms: Iterable[Spec]) -> Iterator[int]:
    for term in terms:
        for field in ("matchExpressions", "matchFields"):
            for expression in elements(term.get(field)):
                yield 1 + len(elements(mapping(expression).get("values")))


CONTAINERS_LIMIT = Limit(250, "containers")
SELECTOR_VALUES = 10_000

# In this order: the containers are counted before anything is read of them.
LIMITS = (
    CONTAINERS_LIMIT,
    Limit(1_000, "volumes"),
    Limit(500, "tolerations"),
    Limit(500, "terms of node affinity"),
    Limit(SELECTOR_VALUES, "values of node selectors"),
    Limit(5_000, "variables in a container"),
    Limit(5_000, "mounts"),
    Limit(5_000, "resources"),
)
