"""Generated clusters as API objects: what judges a pod in one namespace, and the nodes that it may run on.

They are those of the property about admission (support.admission_model), as far as a control plane without nodes has
them. Two namespaces of each are alike, but for our label.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from support.admission_model import VARIABLE, Surroundings, surroundings
from support.clusters import SHAPES
from support.pods import MISSING, fields

from e2e.gpu_nodes import runtime_handlers
from e2e.namespaces import INJECT
from webhook.view.view import ClusterView, Node, RuntimeClass

Json = dict[str, Any]

CLUSTER_LABEL = "example.com/cluster"
EVERY = "object.spec.containers + (has(object.spec.initContainers) ? object.spec.initContainers : [])"
# Each allows no pod with the field, but for what the API server gives every pod.
DENIALS = {
    "runtimeClassName": "!has(object.spec.runtimeClassName)",
    "hostPath": "!has(object.spec.volumes) || !object.spec.volumes.exists(v, has(v.hostPath))",
    "tolerations": "!has(object.spec.tolerations) || object.spec.tolerations.all(t, has(t.key) && "
    "t.key.startsWith('node.kubernetes.io/'))",
    "nodeSelector": "!has(object.spec.nodeSelector)",
    VARIABLE: f"!({EVERY}).exists(c, has(c.env) && c.env.exists(e, e.name == '{VARIABLE}'))",
}
# One container has room for a second one, and not for the overhead of a class.
REQUESTS = {"cpu": "100m", "memory": "100Mi"}
QUOTA = {"requests.cpu": "200m", "requests.memory": "200Mi"}
HARMLESS = {
    "allowPrivilegeEscalation": False,
    "runAsNonRoot": True,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


@dataclass(frozen=True, slots=True)
class GeneratedCluster:
    """One cluster, and the pods to create in it."""

    number: int
    around: Surroundings
    pods: tuple[Json, ...]

    @property
    def with_us(self) -> str:
        """The namespace for whose pods the webhook is called."""
        return f"generated-{self.number}-with"

    @property
    def without_us(self) -> str:
        """The namespace that has no label of ours, and is the same otherwise."""
        return f"generated-{self.number}-without"

    @property
    def runtime_class(self) -> Json | None:
        """The RuntimeClass, None where it does not exist."""
        found = (self.around.view.runtime_classes or {}).get("nvidia")
        return class_object(found) if found else None

    def nodes(self) -> list[Json]:
        """Return the nodes, as kubelets register them."""
        return [node_object(node) for node in (self.around.view.nodes or {}).values()]

    def rules(self) -> Iterator[Json]:
        """Yield the namespaces, with what judges their pods; nothing of it concerns another cluster."""
        labels = {key: value for key, value in (self.around.view.namespaces or {})["ml"].items() if key != INJECT}
        labels[CLUSTER_LABEL] = str(self.number)
        for name, ours in ((self.with_us, {INJECT: "enabled"}), (self.without_us, {})):
            yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {**labels, **ours}}}
            if self.around.has_quota:
                metadata = {"name": "quota", "namespace": name}
                yield {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": {"hard": QUOTA}}
        yield from self.policies()

    def policies(self) -> Iterator[Json]:
        """Yield the ValidatingAdmissionPolicies, each with its binding."""
        head = {"apiVersion": "admissionregistration.k8s.io/v1"}
        view = self.around.view
        rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
        for key, field in self.around.denied.items():
            metadata = {"name": f"generated-{self.number}-{key}"}
            policy, binding = (view.admission_policies or {})[key], (view.policy_bindings or {})[key]
            constraints = {"resourceRules": [rule], "namespaceSelector": self._here(policy.namespace_selector)}
            spec = {"matchConstraints": constraints, "validations": [{"expression": DENIALS[field]}]}
            yield {**head, "kind": "ValidatingAdmissionPolicy", "metadata": metadata, "spec": spec}
            resources = {"namespaceSelector": self._here(binding.namespace_selector)}
            bound = {"policyName": metadata["name"], "validationActions": ["Deny"], "matchResources": resources}
            yield {**head, "kind": "ValidatingAdmissionPolicyBinding", "metadata": metadata, "spec": bound}

    def judging(self) -> Iterator[tuple[str, str]]:
        """Yield the policies that select the cluster's namespaces, each with the field that it refuses."""
        level = (self.around.view.namespaces or {})["ml"].get("pod-security.kubernetes.io/enforce", "privileged")
        view = self.around.view
        for key, field in self.around.denied.items():
            policy, binding = (view.admission_policies or {})[key], (view.policy_bindings or {})[key]
            teams = [item.namespace_selector.get("matchLabels", {}).get("team", "a") for item in (policy, binding)]
            # PodSecurity refuses a hostPath before any policy does.
            if teams == ["a", "a"] and (field != "hostPath" or level == "privileged"):
                yield f"generated-{self.number}-{key}", field

    def _here(self, selector: Mapping[str, Any]) -> Json:
        return {"matchLabels": {**selector.get("matchLabels", {}), CLUSTER_LABEL: str(self.number)}}


def probe(field: str) -> Json:
    """Return a pod that has one of the fields that policies refuse, and is admitted otherwise."""
    container: Json = {"name": "x", "image": "i", "resources": {"requests": REQUESTS}, "securityContext": HARMLESS}
    fields_of: dict[str, Json] = {
        "runtimeClassName": {"runtimeClassName": "gvisor"},
        "hostPath": {"volumes": [{"name": "v", "hostPath": {"path": "/data"}}]},
        "tolerations": {"tolerations": [{"operator": "Exists"}]},
        "nodeSelector": {"nodeSelector": {"a": "b"}},
    }
    if field == VARIABLE:
        container["env"] = [{"name": VARIABLE, "value": "void"}]
    spec = {"automountServiceAccountToken": False, "containers": [container], **fields_of.get(field, {})}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe"}, "spec": spec}


def class_object(found: RuntimeClass) -> Json:
    """Return a RuntimeClass as an API object."""
    scheduling = {"nodeSelector": dict(found.node_selector), "tolerations": list(found.tolerations)}
    metadata: Json = {"name": found.name}
    if found.of_distribution:
        metadata["labels"] = {"objectset.rio.cattle.io/hash": "x"}
    return {
        "apiVersion": "node.k8s.io/v1",
        "kind": "RuntimeClass",
        "metadata": metadata,
        "handler": found.handler,
        **({"scheduling": scheduling} if found.node_selector or found.tolerations else {}),
        **({"overhead": {"podFixed": dict(found.overhead)}} if found.overhead else {}),
    }


def node_object(node: Node) -> Json:
    """Return a node as an API object."""
    amounts = {"cpu": "16", "memory": "64Gi", "pods": "110", **node.allocatable}
    info = {"osImage": node.os_image, "kernelVersion": node.kernel, "architecture": node.architecture}
    info |= {"containerRuntimeVersion": node.runtime, "kubeletVersion": "v1.33.5", "operatingSystem": "linux"}
    info |= dict.fromkeys(("machineID", "systemUUID", "bootID", "kubeProxyVersion"), "")
    taints = [{"key": one.key, "value": one.value, "effect": one.effect} for one in node.taints]
    status = {
        "capacity": amounts,
        "allocatable": amounts,
        "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}],
        "nodeInfo": info,
        "runtimeHandlers": runtime_handlers(node.handlers or ()),
    }
    metadata = {"name": node.name, "labels": {CLUSTER_LABEL: "generated", **node.labels}}
    spec = {"taints": taints, "unschedulable": node.unschedulable}
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": spec, "status": status}


PLACES = fields(
    nodeName=st.sampled_from([MISSING, MISSING, MISSING, "gpu-0"]),
    nodeSelector=st.sampled_from([MISSING, MISSING, {"zone": "a"}, {"zone": "b"}, {"pool": "x"}]),
    tolerations=st.sampled_from(
        [
            MISSING,
            [{"operator": "Exists"}],
            [{"key": "team", "operator": "Exists"}],
            [{"key": "nvidia.com/gpu", "operator": "Exists"}],
        ]
    ),
)


@st.composite
def admitted_shapes(draw: st.DrawFn) -> Json:
    """Draw a GPU pod that some namespace admits."""
    shape, context = draw(st.sampled_from(SHAPES)), draw(st.sampled_from([{}, HARMLESS]))
    spec: Json = {**shape, **draw(PLACES), "automountServiceAccountToken": False}
    for field in ("containers", "initContainers"):
        if field in spec:
            spec[field] = [
                {
                    **one,
                    "resources": {**one.get("resources", {}), "requests": REQUESTS},
                    **({"securityContext": context} if context else {}),
                }
                for one in spec[field]
            ]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "generated"}, "spec": spec}


def generated_clusters(count: int, pods: int) -> list[GeneratedCluster]:
    """Return so many clusters with so many pods each, the same ones each time."""
    found: list[tuple[Surroundings, list[Json]]] = []

    @settings(
        max_examples=8 * count,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(surroundings(), st.lists(admitted_shapes(), min_size=pods, max_size=pods))
    def collect(around: Surroundings, drawn: list[Json]) -> None:
        if all(_judgement(around) != _judgement(other) for other, _ in found):
            found.append((around, drawn))

    collect()
    # Of each kind of RuntimeClass those with the most else that judges a pod, in the order in which they were drawn.
    most = sorted(range(len(found)), key=lambda index: -_judges(found[index][0]))
    kinds: dict[tuple[bool, ...], list[int]] = {}
    for index in most:
        kinds.setdefault(_kind_of_class(found[index][0]), []).append(index)
    taken = sorted(index for some in kinds.values() for index in some[: -(-count // len(kinds))])[:count]
    return [
        GeneratedCluster(number, _bare(found[index][0]), tuple(found[index][1])) for number, index in enumerate(taken)
    ]


def _kind_of_class(around: Surroundings) -> tuple[bool, ...]:
    found = (around.view.runtime_classes or {}).get("nvidia")
    return (found is not None, bool(found and found.overhead), bool(found and found.node_selector))


def _judgement(around: Surroundings) -> tuple[object, ...]:
    return around.denied, around.has_quota, around.view.runtime_classes, around.view.namespaces


def _judges(around: Surroundings) -> int:
    offering = sum("nvidia.com/gpu" in node.allocatable for node in (around.view.nodes or {}).values())
    return len(around.denied) + around.has_quota + 2 * bool(offering)


def _bare(around: Surroundings) -> Surroundings:
    """Return the cluster without the plugins and policy engines, which need software to run."""
    view = around.view
    return replace(
        around,
        view=ClusterView(
            runtime_classes=view.runtime_classes,
            namespaces=view.namespaces,
            nodes=view.nodes or {},
            admission_policies=view.admission_policies,
            policy_bindings=view.policy_bindings,
        ),
        engine_denies=False,
    )
