"""What the rules for a GPU pod may read: the pod, the request, the policy and the view."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from webhook.decide.decision import RequestInfo
from webhook.decide.guards import GuardedPod
from webhook.decide.nodes.candidates import Candidate, all_candidates, candidates
from webhook.decide.nodes.expected import expected_candidates
from webhook.decide.pod import Container, Pod, containers, label, requests_gpu
from webhook.decide.workload.patch_runtime_class import TOLERATION
from webhook.decide.workload.seen_failures import SeenFailures
from webhook.kube.metadata import labels_as_written
from webhook.kube.values import EMPTY, elements, mapping
from webhook.names import ALWAYS, INJECT_KEY
from webhook.policy.model import Policy
from webhook.view.view import ClusterView, Labels, RuntimeClass

# With `optOut` these namespaces still need the label; the registration excludes the webhook's own namespace.
SYSTEM_NAMESPACES = frozenset({"kube-system", "kube-public", "kube-node-lease"})


def setting_of(namespace: str, labels: Mapping[str, str], policy: Policy) -> str:
    """Return the value of a namespace's label, or what the policy's ``optOut`` makes of a namespace without it."""
    setting = labels.get(INJECT_KEY, "")
    return "enabled" if not setting and policy.opt_out and namespace not in SYSTEM_NAMESPACES else setting


@dataclass(frozen=True)
class RuleContext:
    """All that a rule may read. Costly values are computed when the first rule needs them.

    ``ignores_events`` asks what would be decided if no Event showed a failure.
    """

    pod: Pod
    request: RequestInfo
    policy: Policy
    view: ClusterView
    ignores_events: bool = False

    @cached_property
    def requests_gpu(self) -> bool:
        """Whether a container requests a GPU; known without building containers, however many there are."""
        return requests_gpu(self.pod, self.policy)

    @cached_property
    def is_always(self) -> bool:
        """Whether the pod requests no GPU, and its label asks for the class all the same."""
        return label(self.pod, INJECT_KEY) == ALWAYS and not self.requests_gpu

    @cached_property
    def containers(self) -> tuple[Container, ...]:
        """The pod's containers, in the order in which they start."""
        return containers(self.pod, self.policy)

    @cached_property
    def gpu_containers(self) -> tuple[Container, ...]:
        """The containers that request a GPU."""
        return tuple(item for item in self.containers if item.requests_gpu)

    @property
    def gpu_users(self) -> tuple[Container, ...]:
        """The containers that are to see a GPU: those that request one, or all of a pod with the label ``always``."""
        return self.containers if self.is_always else self.gpu_containers

    @property
    def spec(self) -> Mapping[str, Any]:
        """The pod's spec."""
        return mapping(self.pod.get("spec"))

    @property
    def namespace_labels(self) -> Labels | None:
        """The labels of the pod's namespace, None where it is not known."""
        return None if self.view.namespaces is None else self.view.namespaces.get(self.request.namespace)

    @property
    def guarded(self) -> GuardedPod:
        """The pod as admission control sees it."""
        default, labels = self.policy.pod_security_default, labels_as_written(self.pod)
        return GuardedPod(self.view, self.request.namespace, self.namespace_labels, labels, default)

    @property
    def namespace_setting(self) -> str:
        """The namespace's setting, as ``setting_of`` returns it."""
        return setting_of(self.request.namespace, self.namespace_labels or EMPTY, self.policy)

    @property
    def is_dry_run(self) -> bool:
        """Whether the policy or the namespace's label wants nothing to be written."""
        return self.policy.dry_run or (self.namespace_labels or EMPTY).get(INJECT_KEY) == "dry-run"

    @cached_property
    def runtime_class(self) -> RuntimeClass | None:
        """The policy's RuntimeClass, None where it does not exist or is not known."""
        return (self.view.runtime_classes or EMPTY).get(self.policy.runtime_class)

    @cached_property
    def resources(self) -> frozenset[str]:
        """The GPU resources that the pod requests."""
        return frozenset(name for container in self.gpu_containers for name in container.gpu_resources)

    @cached_property
    def candidates(self) -> tuple[Candidate, ...]:
        """The kinds of nodes that the pod may run on as it is."""
        return self._candidates(self.spec)

    @cached_property
    def class_candidates(self) -> tuple[Candidate, ...]:
        """The kinds of nodes that the pod may run on after ``inject``, with the class's ``scheduling``."""
        found = self.runtime_class
        if found is None or not (found.node_selector or self.added_tolerations):
            return self.candidates
        joined = {
            **self.spec,
            "nodeSelector": {**mapping(self.spec.get("nodeSelector")), **found.node_selector},
            "tolerations": [*elements(self.spec.get("tolerations")), *self.added_tolerations],
        }
        return self._candidates(joined)

    @property
    def added_tolerations(self) -> tuple[Mapping[str, Any], ...]:
        """The tolerations that the pod gets with ``inject``: those of the class, and the policy's."""
        of_class = self.runtime_class.tolerations if self.runtime_class else ()
        return (*of_class, *([TOLERATION] if self.policy.add_toleration else []))

    @cached_property
    def seen_failures(self) -> SeenFailures:
        """The failures that Events of the pod's namespace show; none where the policy ignores them."""
        if self.ignores_events or not self.policy.setbacks.workloads:
            return SeenFailures()
        return SeenFailures.of(self.pod, self.request, self.view)

    @property
    def served_candidates(self) -> tuple[Candidate, ...]:
        """The kinds of nodes whose providers count.

        A pod that fits no node as it is may fit one with the class's tolerations. Where it fits none at all, the
        DaemonSets of device plugins, and what else hands GPUs out, show how nodes to come will do it.
        """
        return self.candidates or self.class_candidates or self.expected_candidates

    @cached_property
    def expected_candidates(self) -> tuple[Candidate, ...]:
        """The kinds of nodes to come, where no node is known that the pod may run on."""
        if self.candidates or self.class_candidates or self.is_always:
            return ()
        return expected_candidates(self.view, self.policy, self.spec, self.resources)

    def _candidates(self, spec: Mapping[str, Any]) -> tuple[Candidate, ...]:
        if self.is_always:
            return all_candidates(self.view, self.policy, spec)
        return candidates(self.view, self.policy, spec, self.resources)
