"""The failures that Events of a pod's namespace show, and which of them concern a pod like this one.

Failures of sandboxes and volumes concern every pod of the namespace that would get the same patch. A refusal concerns
the pods of the controller that was refused, by its UID; a container's failure concerns the pods of one controller.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from webhook.decide.decision import NO_OWNER, RequestInfo, TemplateOwner
from webhook.decide.pod import Pod
from webhook.kube.metadata import controlling_owner, metadata, name_of
from webhook.kube.node_affinity import selects
from webhook.kube.values import EMPTY, empty_mapping, mapping, text
from webhook.observations.workload_failure import REFUSALS, EventReason, InvolvedObject, WorkloadFailure
from webhook.view.view import ClusterView, Node

# The controllers that create other controllers, and what these are called: its name, and one more word.
MADE_BY = {"Deployment": "ReplicaSet", "CronJob": "Job"}
LONGEST_SUFFIX = 12


@dataclass(frozen=True, slots=True)
class SeenFailures:
    """The failures of one namespace, as one pod sees them.

    ``owner_uid`` is its controller's, empty where it has none; ``template_owner`` is the object whose template it is.
    ``name`` and ``prefix`` are the pod's name and the beginning of its controller's pods' names.
    """

    failures: tuple[WorkloadFailure, ...] = ()
    owner_uid: str = ""
    template_owner: TemplateOwner = NO_OWNER
    name: str = ""
    prefix: str = ""
    spec: Mapping[str, Any] = field(default_factory=empty_mapping)
    nodes: Mapping[str, Node] = field(default_factory=empty_mapping)
    is_known: bool = False

    @classmethod
    def of(cls, pod: Pod, request: RequestInfo, view: ClusterView) -> "SeenFailures":
        """Return the failures that count for a pod: those of its own namespace."""
        found = view.workload_failures.get(request.namespace)
        if found is None:
            return NOT_READ
        owner = request.template_owner
        return cls(
            failures=found,
            owner_uid=text(controlling_owner(pod).get("uid")),
            template_owner=owner,
            name=name_of(pod),
            prefix=f"{owner.name}-" if owner.name else text(metadata(pod).get("generateName")),
            spec=mapping(pod.get("spec")),
            nodes=view.nodes or EMPTY,
            is_known=True,
        )

    def on_nodes(self, reason: EventReason) -> Iterator[WorkloadFailure]:
        """Yield the failures of a reason on nodes that the pod may run on; a node that is not known counts."""
        for failure in self.failures:
            node = self.nodes.get(failure.node)
            if failure.reason is reason and (node is None or selects(self.spec, node)):
                yield failure

    def refusals(self) -> Iterator[WorkloadFailure]:
        """Yield the refusals of pods of this pod's controller."""
        return (one for one in self.failures if one.reason in REFUSALS and self._is_controller(one.about))

    def of_siblings(self) -> Iterator[WorkloadFailure]:
        """Yield the failures of containers in pods of this pod's controller, on nodes that the pod may run on."""
        return (one for one in self.on_nodes(EventReason.CONTAINER) if self._is_sibling(one.about))

    def evidence(self) -> Iterator[str]:
        """Yield what was looked at where nothing counts."""
        if not self.is_known:
            yield "no Events of the namespace were read"
        else:
            yield f"{len(self.failures)} Events of the namespace name a failure; none concerns this patch of this pod"

    def _is_controller(self, about: InvolvedObject) -> bool:
        owner = self.template_owner
        if not owner.name:
            return bool(self.owner_uid) and about.uid == self.owner_uid
        if made := MADE_BY.get(owner.kind):
            return about.kind == made and _is_suffix(about.name.removeprefix(f"{owner.name}-"), about.name)
        return about.kind == owner.kind and about.name == owner.name and owner.uid in ("", about.uid)

    def _is_sibling(self, about: InvolvedObject) -> bool:
        if about.kind != "Pod":
            return False
        if self.name and about.name == self.name:
            return True
        suffix = about.name.removeprefix(self.prefix)
        if self.template_owner.kind in MADE_BY:
            suffix = suffix.rpartition("-")[2] if suffix.count("-") == 1 else about.name
        return bool(self.prefix) and _is_suffix(suffix, about.name)


NOT_READ = SeenFailures()
"""Where no Event of the namespace was read: the usual case."""


def _is_suffix(suffix: str, name: str) -> bool:
    """Say whether the rest of a name, of which a beginning was removed, is what a controller appends."""
    return suffix != name and suffix.isalnum() and len(suffix) <= LONGEST_SUFFIX
