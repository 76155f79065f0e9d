"""Others that hand GPUs out: the GPU Operator, CDI, NRI, DRA. Where one does, a runtime class may break pods."""

from webhook.decide.nodes.candidates import gpu_kinds
from webhook.decide.nodes.providers import node_provider
from webhook.doctor.check import Category, Check, Result, fails_on, passes, warns_on
from webhook.doctor.cluster_facts import Facts, known
from webhook.kube.metadata import full_name, name_of
from webhook.kube.values import mapping, text
from webhook.view.gpu_operator import project_cluster_policy

WELL = ("", "ready")


def operator(facts: Facts) -> Result:
    """NVIDIA's GPU Operator, if there is one, is ready."""
    troubles = (
        f"ClusterPolicy {name_of(item)} is {state}"
        for item in known(facts.cluster_policies)
        if (state := text(mapping(item.get("status")).get("state"))) not in WELL
    )
    return fails_on(troubles, "kubectl describe clusterpolicies", otherwise=_operators(facts))


def _operators(facts: Facts) -> str:
    return ", ".join(name_of(item) for item in known(facts.cluster_policies)) or "there is no GPU Operator"


def operator_provides(facts: Facts) -> Result:
    """Where the operator hands GPUs out by CDI or NRI, no pod names the class."""
    policies = [project_cluster_policy(item) for item in known(facts.cluster_policies)]
    if not any(item.cdi or item.nri for item in policies):
        return passes("no operator does")
    way = "NRI" if any(item.nri for item in policies) else "CDI"
    troubles = (
        f"{full_name(pod)} runs under the class {text(mapping(pod.get('spec')).get('runtimeClassName'))}"
        for pod in known(facts.gpu_pods)
        if mapping(pod.get("spec")).get("runtimeClassName") == facts.policy.runtime_class
    )
    return warns_on(
        troubles, f"the GPU Operator hands GPUs out by {way}: remove runtimeClassName", otherwise=f"by {way}"
    )


def dra(facts: Facts) -> Result:
    """Where a DeviceClass serves GPUs (DRA), some node has published devices."""
    classes = [
        (name_of(item), resource)
        for item in known(facts.device_classes)
        if (resource := text(mapping(item.get("spec")).get("extendedResourceName")))
        and facts.policy.is_gpu_resource(resource)
    ]
    if not classes:
        return passes("no DeviceClass serves GPUs")
    slices = known(facts.resource_slices)
    published = {text(mapping(item.get("spec")).get("driver")) for item in slices}
    troubles = [
        f"DeviceClass {name} serves {resource}, and no node has published a device" for name, resource in classes
    ]
    return fails_on(
        [] if published else troubles,
        "see the pods of the DRA driver: kubectl get pods -A | grep -i dra",
        otherwise=f"{len(slices)} ResourceSlices of {', '.join(sorted(published))}",
    )


def dra_beside_plugin(facts: Facts) -> Result:
    """The same resource is not served by a device plugin and by DRA on one node."""
    served = {text(mapping(item.get("spec")).get("extendedResourceName")) for item in known(facts.device_classes)}
    nodes = {text(mapping(item.get("spec")).get("nodeName")) for item in known(facts.resource_slices) if served - {""}}
    troubles = (
        f"{node.name}: {', '.join(sorted(served & set(facts.offered(node))))} by the device plugin and by DRA"
        for node in facts.gpu_nodes
        if node.name in nodes and served & set(facts.offered(node))
    )
    return warns_on(troubles, "run one of the two on each node")


def one_way(facts: Facts) -> Result:
    """All GPU nodes need us, or none does: a pod that may land on either gets nothing."""
    found = {
        str(node_provider(item.kind) or "by the runtime class or mounts"): item.example
        for item in gpu_kinds(facts.view, facts.policy)
    }
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
        Check("operator-provides", "no pod names the class where the operator provides", operator_provides),
        Check("dra", "a DeviceClass that serves GPUs has devices", dra),
        Check("dra-beside-plugin", "no node has GPUs by plugin and by DRA", dra_beside_plugin),
        Check("one-provider", "the GPU nodes hand GPUs out in one way", one_way),
    ),
)
