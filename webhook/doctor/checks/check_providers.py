"""Other providers of GPUs: the GPU Operator, CDI, NRI, DRA. With one of them, a runtime class may break pods."""

from collections.abc import Iterator

from webhook.decide.decision import Reason
from webhook.doctor.check import Category, Check, Result, fails_on, passes, warns_on
from webhook.doctor.checks.check_support import fix_of_support, support
from webhook.doctor.cluster_facts import ClusterFacts
from webhook.doctor.fact import ApiObject, Unread, known
from webhook.doctor.node_providers import HandedOut, gpu_slices
from webhook.kube.metadata import full_name, name_of
from webhook.kube.values import mapping, text

HEALTHY_STATES = ("", "ready")
# A class on a pod breaks what these do.
CONFLICTING = (Reason.CDI, Reason.NRI, Reason.DRA, HandedOut.GPU_CLUSTER)


def operator(facts: ClusterFacts) -> Result:
    """NVIDIA's GPU Operator, if there is one, is ready."""
    troubles = (
        f"{kind} {name_of(item)} is {state}"
        for kind, found in (("ClusterPolicy", facts.cluster_policies), ("GPUCluster", facts.gpu_clusters))
        for item in known(found)
        if (state := text(mapping(item.get("status")).get("state"))) not in HEALTHY_STATES
    )
    return fails_on(troubles, _fix_of_operator(facts), otherwise=_operators(facts))


def _fix_of_operator(facts: ClusterFacts) -> str:
    """Return what helps the first pod for which the operator waits, else where it says why."""
    look = "kubectl describe clusterpolicies,gpuclusters"
    fix = "" if isinstance(facts.support_pods, Unread) else fix_of_support(facts)
    return f"{fix}   (see gpu-stack)" if fix else look


def _operators(facts: ClusterFacts) -> str:
    found = (*known(facts.cluster_policies), *known(facts.gpu_clusters))
    return ", ".join(map(name_of, found)) or "there is no GPU Operator"


def operator_provides(facts: ClusterFacts) -> Result:
    """Where CDI, NRI or DRA hands GPUs out, no pod names the class."""
    conflicting = {node.name: way for node in facts.gpu_nodes if (way := facts.providers.of_node(node)) in CONFLICTING}
    if not conflicting:
        return passes("no node hands out GPUs by CDI, NRI or DRA")
    found = [(pod, node) for pod in _of_class(facts) if (node := _node_of(pod)) in conflicting]
    troubles = (
        f"{full_name(pod)} runs under the class {facts.policy.runtime_class} on {node}, which hands GPUs out by "
        f"{conflicting[node].upper()}"
        for pod, node in found
    )
    ways = ", ".join(sorted({way.upper() for way in conflicting.values()}))
    return warns_on(troubles, "remove runtimeClassName from these pods", otherwise=f"by {ways}")


def _of_class(facts: ClusterFacts) -> Iterator[ApiObject]:
    name = facts.policy.runtime_class
    return (pod for pod in known(facts.gpu_pods) if mapping(pod.get("spec")).get("runtimeClassName") == name)


def _node_of(pod: ApiObject) -> str:
    return text(mapping(pod.get("spec")).get("nodeName"))


def dra(facts: ClusterFacts) -> Result:
    """Where a DeviceClass serves GPUs (DRA), some node has published devices."""
    classes = [
        (name, item.extended_resource)
        for name, item in (facts.view.device_classes or {}).items()
        if facts.policy.is_gpu_resource(item.extended_resource)
    ]
    if not classes and not facts.view.gpu_clusters:
        return passes("no DeviceClass serves GPUs")
    published = gpu_slices(facts.view, facts.policy)
    # A cluster that runs plugins may have the class of a driver that it does not use yet.
    unused = bool(facts.talking) and any(map(facts.offers_gpus, facts.gpu_nodes))
    troubles = [
        f"DeviceClass {name} serves {resource}, and no node has published a device" for name, resource in classes
    ] or ["there is a GPUCluster, and no DeviceClass serves GPUs"]
    drivers = ", ".join(sorted({item.driver for item in published}))
    return (warns_on if unused else fails_on)(
        [] if published else troubles,
        "see the pods of the DRA driver: kubectl get pods -A | grep -i dra",
        otherwise=f"{len(published)} ResourceSlices of {drivers}",
    )


def dra_beside_plugin(facts: ClusterFacts) -> Result:
    """The same resource is not served by a device plugin and by DRA on one node."""
    served = {item.extended_resource for item in (facts.view.device_classes or {}).values()}
    nodes = {item.node for item in gpu_slices(facts.view, facts.policy)}
    troubles = (
        f"{node.name}: {', '.join(sorted(served & set(facts.offered(node))))} by the device plugin and by DRA"
        for node in facts.gpu_nodes
        if node.name in nodes and served & set(facts.offered(node))
    )
    return warns_on(troubles, "run one of the two on each node")


def one_way(facts: ClusterFacts) -> Result:
    """All GPU nodes need us, or none does: a pod that may run on both kinds of node gets nothing."""
    found: dict[str, str] = {}
    for node in facts.gpu_nodes:
        found.setdefault(facts.providers.of_node(node) or "by the runtime class or mounts", node.name)
    troubles = [f"{name}: {way}" for way, name in found.items()] if len(found) > 1 else []
    return warns_on(
        troubles,
        "give the nodes labels of their own, and pods a nodeSelector",
        otherwise=", ".join(found) or "no GPU node",
    )


CATEGORY = Category(
    "GPU Operator, CDI and DRA",
    (
        Check("gpu-operator", "the GPU Operator is ready, if there is one", operator),
        Check("gpu-stack", "the pods that bring driver, runtime, MPS and DRA are well", support),
        Check("operator-provides", "no pod names the class where CDI, NRI or DRA hands GPUs out", operator_provides),
        Check("dra", "a DeviceClass that serves GPUs has devices", dra),
        Check("dra-beside-plugin", "no node has GPUs by plugin and by DRA", dra_beside_plugin),
        Check("one-provider", "the GPU nodes hand GPUs out in one way", one_way),
    ),
)
