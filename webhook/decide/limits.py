"""Rule 0: a pod beyond these limits is left alone, before an object is built or anything else looks at it.

No real pod comes near them. Counting costs little: lengths of lists, and of terms no more than a pod may have. What is
left to the rules after that is bounded, so that no pod keeps the requests of others waiting.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from webhook.decide.decision import Decision, Reason, Verdict
from webhook.decide.rule import RuleResult
from webhook.decide.warning_text import warning_line
from webhook.kube.node_affinity import required_terms
from webhook.kube.values import elements, items, mapping

Spec = Mapping[str, Any]

# Each is a list of the spec in which containers are.
CONTAINER_FIELDS = ("initContainers", "containers", "ephemeralContainers")


@dataclass(frozen=True, slots=True)
class Limit:
    """How many of something a pod may have; ``count`` may stop counting beyond ``most``."""

    most: int
    what: str
    count: Callable[[Spec], int]

    def __str__(self) -> str:
        return f"more than {self.most:,} {self.what}"


def exceeded_limit(pod: Mapping[str, Any]) -> Limit | None:
    """Return the first limit that a pod exceeds, None where it exceeds none."""
    spec = mapping(pod.get("spec"))
    return next((limit for limit in LIMITS if limit.count(spec) > limit.most), None)


def found_too_large(limit: object) -> RuleResult:
    """Return what a rule finds of a pod that has more than ``limit`` allows."""
    warning = f"the pod has {limit}; pod left alone, it may see no GPU"
    return RuleResult(Verdict.LEAVE, Reason.TOO_LARGE, warning, (f"the pod has {limit}",))


def left_alone(limit: object) -> Decision:
    """Return the decision to leave a pod alone that has more than ``limit`` allows."""
    found = found_too_large(limit)
    return Decision(found.verdict, found.reason, warnings=(warning_line(found.warning),), evidence=found.evidence)


def _containers(spec: Spec) -> int:
    return sum(len(elements(spec.get(field))) for field in CONTAINER_FIELDS)


def _volumes(spec: Spec) -> int:
    return len(elements(spec.get("volumes")))


def _tolerations(spec: Spec) -> int:
    return len(elements(spec.get("tolerations")))


def _variables(spec: Spec) -> int:
    lists = (elements(item.get("env")) for field in CONTAINER_FIELDS for item in items(spec.get(field)))
    return max(map(len, lists), default=0)


def _mounts(spec: Spec) -> int:
    return sum(len(elements(item.get("volumeMounts"))) for field in CONTAINER_FIELDS for item in items(spec.get(field)))


def _resources(spec: Spec) -> int:
    resources = (mapping(item.get("resources")) for field in CONTAINER_FIELDS for item in items(spec.get(field)))
    return sum(len(mapping(found.get(field))) for found in resources for field in ("limits", "requests"))


def _terms(spec: Spec) -> int:
    return len(required_terms(spec) or ())


def _selector_values(spec: Spec) -> int:
    """Count the keys and values by which a pod selects nodes: each costs about the same."""
    total = len(mapping(spec.get("nodeSelector")))
    for size in _expression_sizes(spec):
        total += size
        if total > SELECTOR_VALUES:
            break
    return total


def _expression_sizes(spec: Spec) -> Iterator[int]:
    for term in required_terms(spec) or ():
        for field in ("matchExpressions", "matchFields"):
            for expression in elements(term.get(field)):
                yield 1 + len(elements(mapping(expression).get("values")))


CONTAINERS_LIMIT = Limit(250, "containers", _containers)
SELECTOR_VALUES = 10_000

# In this order: the containers are counted before anything is read of them.
LIMITS = (
    CONTAINERS_LIMIT,
    Limit(1_000, "volumes", _volumes),
    Limit(500, "tolerations", _tolerations),
    Limit(500, "terms of node affinity", _terms),
    Limit(SELECTOR_VALUES, "values of node selectors", _selector_values),
    Limit(5_000, "variables in a container", _variables),
    Limit(5_000, "mounts", _mounts),
    Limit(5_000, "resources", _resources),
)
