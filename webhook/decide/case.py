"""All that the rows of a decision may look at: the pod, the request's facts, the policy and the view."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

from webhook.decide.gpu_nodes import Candidate, candidates
from webhook.decide.pod import Container, Pod, containers
from webhook.decide.selectors import TOLERATION
from webhook.policy.model import Policy
from webhook.raw import NOTHING, elements, mapping
from webhook.view.view import ClusterView, Labels, RuntimeClass


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """What the request says beside the pod, and how old the view was when it was made.

    ``runtime_classes_age_seconds`` is the time since the RuntimeClass that matters was last known current.
    ``is_template`` says that the pod is a controller's template, from which pods will be made.
    """

    namespace: str
    operation: str = "CREATE"
    resource: str = "pods"
    subresource: str = ""
    username: str = ""
    runtime_classes_age_seconds: float = 0.0
    is_template: bool = False

    @property
    def is_pod_creation(self) -> bool:
        """Say whether the request creates a pod."""
        return (self.operation, self.resource, self.subresource) == ("CREATE", "pods", "")


@dataclass(frozen=True)
class Case:
    """All that a row may look at. What is costly is worked out when the first row asks for it."""

    pod: Pod
    facts: RequestFacts
    policy: Policy
    view: ClusterView
    containers: tuple[Container, ...]
    gpu_containers: tuple[Container, ...]

    @classmethod
    def of(cls, pod: Pod, facts: RequestFacts, policy: Policy, view: ClusterView) -> Self:
        """Look through the pod's containers once, for all rows."""
        found = containers(pod, policy)
        return cls(pod, facts, policy, view, found, tuple(item for item in found if item.requests_gpu))

    @property
    def spec(self) -> Mapping[str, Any]:
        """The pod's spec."""
        return mapping(self.pod.get("spec"))

    @property
    def namespace_labels(self) -> Labels | None:
        """The labels of the pod's namespace, None where it is not known."""
        return None if self.view.namespaces is None else self.view.namespaces.get(self.facts.namespace)

    @property
    def runtime_class(self) -> RuntimeClass | None:
        """The policy's RuntimeClass, None where it does not exist or is not known."""
        return (self.view.runtime_classes or NOTHING).get(self.policy.runtime_class)

    @cached_property
    def resources(self) -> frozenset[str]:
        """The GPU resources that the pod requests."""
        return frozenset[str]().union(*(container.gpu_resources for container in self.gpu_containers))

    @cached_property
    def candidates(self) -> tuple[Candidate, ...]:
        """The kinds of nodes that the pod may land on as it is."""
        return candidates(self.view, self.policy, self.spec, self.resources)

    @cached_property
    def class_candidates(self) -> tuple[Candidate, ...]:
        """The kinds of nodes that the pod may land on with what ``inject`` brings, the class's scheduling foremost."""
        scheduling = self.runtime_class
        if scheduling is None:
            return self.candidates
        tolerations = (*scheduling.tolerations, *([TOLERATION] if self.policy.add_toleration else []))
        if not scheduling.node_selector and not tolerations:
            return self.candidates
        joined = {
            **self.spec,
            "nodeSelector": {**mapping(self.spec.get("nodeSelector")), **scheduling.node_selector},
            "tolerations": [*elements(self.spec.get("tolerations")), *tolerations],
        }
        return candidates(self.view, self.policy, joined, self.resources)
