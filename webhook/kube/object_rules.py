"""What is known about kinds of objects before they are searched for pods, by API group and kind.

Sources: the API references of Kyverno, Gatekeeper, Knative, KServe, Kueue, Karpenter and Volcano.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ANY_KIND = "*"
KNATIVE_GROUP, KSERVE_GROUP, KYVERNO_GROUP = "serving.knative.dev", "serving.kserve.io", "kyverno.io"
KNATIVE_KINDS = frozenset({"Service", "Configuration", "Revision"})

# Objects that name GPUs, or contain pod templates, but from which no pods are created.
WITHOUT_PODS: Mapping[str, frozenset[str]] = {
    "": frozenset({"ConfigMap", "Secret", "ResourceQuota", "LimitRange", "Node", "Namespace", "Event", "Endpoints"}),
    "apps": frozenset({"ControllerRevision"}),
    "admissionregistration.k8s.io": frozenset({ANY_KIND}),
    "apiextensions.k8s.io": frozenset({ANY_KIND}),
    "scheduling.k8s.io": frozenset({ANY_KIND}),
    "resource.k8s.io": frozenset({ANY_KIND}),
    "node.k8s.io": frozenset({ANY_KIND}),
    "autoscaling.k8s.io": frozenset({ANY_KIND}),
    "autoscaling.x-k8s.io": frozenset({ANY_KIND}),
    "kueue.x-k8s.io": frozenset({ANY_KIND}),
    "scheduling.x-k8s.io": frozenset({ANY_KIND}),
    "scheduling.volcano.sh": frozenset({ANY_KIND}),
    "scheduling.sigs.k8s.io": frozenset({ANY_KIND}),
    "scheduling.koordinator.sh": frozenset({ANY_KIND}),
    "slo.koordinator.sh": frozenset({ANY_KIND}),
    "quota.koordinator.sh": frozenset({ANY_KIND}),
    "karpenter.sh": frozenset({ANY_KIND}),
    "karpenter.k8s.aws": frozenset({ANY_KIND}),
    "cluster.x-k8s.io": frozenset({ANY_KIND}),
    "machine.openshift.io": frozenset({ANY_KIND}),
    "quota.openshift.io": frozenset({ANY_KIND}),
    "nfd.k8s-sigs.io": frozenset({ANY_KIND}),
    "metrics.k8s.io": frozenset({ANY_KIND}),
    "templates.gatekeeper.sh": frozenset({ANY_KIND}),
    "constraints.gatekeeper.sh": frozenset({ANY_KIND}),
    "mutations.gatekeeper.sh": frozenset({ANY_KIND}),
    "expansion.gatekeeper.sh": frozenset({ANY_KIND}),
    "config.gatekeeper.sh": frozenset({ANY_KIND}),
    "policies.kyverno.io": frozenset({ANY_KIND}),
    "policies.kubewarden.io": frozenset({ANY_KIND}),
    "kustomize.config.k8s.io": frozenset({ANY_KIND}),
}
# What a rule of Kyverno compares objects with, or changes in them.
KYVERNO_PATTERNS = frozenset(
    {"validate", "mutate", "match", "exclude", "context", "preconditions", "verifyImages", "celPreconditions"}
)
# Quotas, capacities and labels: they name resources and request none.
NO_REQUESTS = frozenset(
    {
        *("minResources", "maxResources", "hard", "used", "capacity", "allocatable", "nominalQuota", "overhead"),
        *("minAllowed", "maxAllowed", "capability", "deserved", "guarantee", "schedulingPolicy"),
        *("labels", "matchLabels", "annotations", "nodeSelector"),
    }
)
# Kinds of containers that take a whole PodSpec's fields but are none: there is no field for a RuntimeClass.
NO_POD_SPEC = frozenset({(KSERVE_GROUP, "ServingRuntime"), (KSERVE_GROUP, "ClusterServingRuntime")})


@dataclass(frozen=True, slots=True)
class ObjectKind:
    """The API group and the kind of an object."""

    group: str
    kind: str

    @property
    def makes_pods(self) -> bool:
        """Say whether pods may be created from such objects."""
        kinds = WITHOUT_PODS.get(self.group, frozenset())
        return ANY_KIND not in kinds and self.kind not in kinds

    @property
    def is_knative(self) -> bool:
        """Say whether Knative Serving validates its pod template."""
        return self.group == KNATIVE_GROUP and self.kind in KNATIVE_KINDS

    @property
    def has_pod_specs(self) -> bool:
        """Say whether what looks like a PodSpec in it may be one."""
        return (self.group, self.kind) not in NO_POD_SPEC

    def is_searched(self, key: str, depth: int) -> bool:
        """Say whether the member of an object is searched; ``depth`` is 0 for members of the object itself."""
        if depth == 0:
            return key not in ("status", "metadata")
        return self.group != KYVERNO_GROUP or key not in KYVERNO_PATTERNS


def kind_of(item: Mapping[str, Any]) -> ObjectKind | None:
    """Return group and kind of an object, None for a value that is no object."""
    version, kind = item.get("apiVersion"), item.get("kind")
    if not isinstance(kind, str) or not kind or not isinstance(version, str | None):
        return None
    return ObjectKind((version or "").rpartition("/")[0], kind)
