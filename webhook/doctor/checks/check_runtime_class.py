"""The RuntimeClass: whether it is there, a node runs it, and it fits the nodes."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from webhook.decide.nodes.candidates import gpu_kinds
from webhook.decide.nodes.common_handler import NVIDIA, common_handler
from webhook.decide.nodes.runtime_handler import HandlerState, handler_evidence
from webhook.doctor.check import Category, Check, Result, fails_on, passes, warns_on
from webhook.doctor.checks.check_nodes import no_need
from webhook.doctor.cluster_facts import ClusterFacts
from webhook.doctor.fact import known
from webhook.doctor.runtime_setup import handler_fix
from webhook.kube.label_selector import has_labels
from webhook.kube.metadata import name_of
from webhook.kube.node_affinity import tolerates_all
from webhook.kube.values import items, mapping
from webhook.view.projections import project_runtime_class
from webhook.view.view import RuntimeClass


def exists(facts: ClusterFacts) -> Result:
    """The class of the policy exists where pods need one; without it pods get libraries at best."""
    found, name = _class(facts), facts.policy.runtime_class
    if found:
        return passes(f"handler {found.handler}")
    if facts.gpu_nodes and not facts.class_nodes:
        return passes(f"no GPU node needs one{no_need(facts)}")
    if handler := common_handler((node.handlers for node in facts.class_nodes), name):
        every = f"every GPU node has the handler {handler}; with Helm: runtimeClass.create=true"
        return fails_on([f'RuntimeClass "{name}" does not exist, and {every}'], *create_class(name, handler))
    handlers = _handlers(facts)
    manifest = create_class(name, handlers[0] if handlers else NVIDIA)
    missing = "; no GPU node runs its handler yet: see runtime-handler" if not handlers and _reported(facts) else ""
    return warns_on([f'RuntimeClass "{name}" does not exist{missing}'], *manifest)


def create_class(name: str, handler: str) -> tuple[str, ...]:
    """Return the command that creates a class, with its manifest."""
    return (
        "kubectl apply -f -   with this manifest:",
        "apiVersion: node.k8s.io/v1",
        "kind: RuntimeClass",
        f"metadata: {{name: {name}}}",
        f"handler: {handler}",
    )


def _handlers(facts: ClusterFacts) -> list[str]:
    """Return NVIDIA's handlers that GPU nodes report, the one on most nodes first."""
    counts = Counter(
        handler for node in facts.class_nodes for handler in node.handlers or () if handler.startswith(NVIDIA)
    )
    return sorted(counts, key=lambda name: (-counts[name], name != facts.policy.runtime_class, name))


def _reported(facts: ClusterFacts) -> bool:
    return any(node.handlers is not None for node in facts.class_nodes)


def proven(facts: ClusterFacts) -> Result:
    """Some node proves that it runs the class; that it exists proves nothing (k3s and RKE2 make it everywhere)."""
    found = _class(facts)
    if found is None:
        return passes("there is no class")
    if not facts.class_nodes:
        return passes(f"no GPU node needs it{no_need(facts)}")
    wanted = {node.name for node in facts.class_nodes}
    kinds = [item for item in gpu_kinds(facts.view, facts.policy) if item.example in wanted]
    evidence = [handler_evidence(item.kind, found) for item in kinds]
    if HandlerState.PROVEN in evidence or not kinds:
        return passes(f"{evidence.count(HandlerState.PROVEN)} of {len(kinds)} kinds of nodes")
    made = " (made by the distribution on every cluster)" if found.of_distribution else ""
    troubles = [f'no GPU node shows that it runs RuntimeClass "{found.name}"{made}']
    disproved = all(item is HandlerState.DISPROVED for item in evidence)
    fix = handler_fix(facts.node(kinds[0].example), found.handler)[:1]
    return fails_on(troubles, *fix) if disproved else warns_on(troubles, *fix)


def scheduling(facts: ClusterFacts) -> Result:
    """The class's own node selector lets the GPU nodes in."""
    found = _class(facts)
    outside = [node.name for node in facts.class_nodes if found and not has_labels(node.labels, found.node_selector)]
    troubles = [f"the class's nodeSelector keeps its pods away from {name}" for name in outside]
    fix = f"kubectl edit runtimeclass {facts.policy.runtime_class}   (scheduling.nodeSelector)"
    whole = outside and len(outside) == len(facts.class_nodes)
    return fails_on(troubles, fix) if whole else warns_on(troubles, fix)


def taints(facts: ClusterFacts) -> Result:
    """Pods of the class may run on tainted GPU nodes: by its tolerations, by the policy's, or by the authors' own."""
    found = _class(facts)
    tolerations: list[Mapping[str, Any]] = list(found.tolerations) if found else []
    if facts.policy.add_toleration:
        tolerations.append({"key": "nvidia.com/gpu", "operator": "Exists"})
    shut = [node for node in facts.gpu_nodes if not tolerates_all(tolerations, node.taints)]
    waiting = [
        name_of(pod)
        for pod in known(facts.gpu_pods)
        for condition in items(mapping(pod.get("status")).get("conditions"))
        if condition.get("reason") == "Unschedulable" and "untolerated taint" in str(condition.get("message"))
    ]
    troubles = [f"{node.name} is tainted, and {len(waiting)} GPU pods wait: they do not tolerate it" for node in shut]
    return warns_on(
        troubles if waiting else [], "add the toleration to the pods, or set `addToleration: true` in the policy"
    )


def missing_class_fix(name: str) -> str:
    """Return the fix for a pod that names a class which does not exist."""
    return f"create RuntimeClass {name} (see class-exists), or remove runtimeClassName"


def _class(facts: ClusterFacts) -> RuntimeClass | None:
    found = next((item for item in known(facts.runtime_classes) if name_of(item) == facts.policy.runtime_class), None)
    return project_runtime_class(found) if found else None


CATEGORY = Category(
    "runtime class",
    (
        Check("class-exists", "the RuntimeClass exists", exists),
        Check("class-proven", "a node proves that it runs the class", proven),
        Check("class-scheduling", "the class lets its pods onto the GPU nodes", scheduling),
        Check("class-taints", "no GPU pod waits for a taint of the GPU nodes", taints),
    ),
)
