"""What helps a GPU pod that waits for a node, by what the scheduler says and what the GPU nodes are like."""

import re

from webhook.doctor.cluster_facts import ClusterFacts
from webhook.doctor.fact import ApiObject, CannotTellError
from webhook.doctor.maintenance import takes_pods
from webhook.kube.metadata import namespace_of
from webhook.kube.node_affinity import selects, tolerates_all
from webhook.kube.values import items, mapping
from webhook.nvidia.startup_taints import is_temporary_taint
from webhook.view.view import Node, Taint

LOOK = "kubectl describe nodes | grep -A8 Allocatable   (are they taken, or not offered?)"
LONGEST_MESSAGE = 2048
ALL_NODES = re.compile(r"\b0/(\d{1,6}) nodes are available")
LACKING = re.compile(r"\b(\d{1,6}) Insufficient ([^\s,]{1,253}[^\s,.])")
CLAIMS = re.compile(r"(?i:cannot allocate all claims|resource ?claim|device ?class)")
# All repetitions are bounded; the first that matches counts.
FIXES = tuple(
    (re.compile(pattern), fix)
    for pattern, fix in (
        (
            CLAIMS.pattern,
            (
                "no node has a free device that the pod's claim selects: kubectl get deviceclasses,resourceslices; "
                "kubectl -n {namespace} describe resourceclaims   (a node without a ResourceSlice has no DRA driver "
                "that works)"
            ),
        ),
        (
            r"(?i:persistentvolumeclaim|volume node affinity|unbound immediate)",
            "its volume is not bound, or is in another zone than the GPU nodes: kubectl -n {namespace} get pvc",
        ),
        (
            r"node\.kubernetes\.io/(?:disk|memory|pid)-pressure",
            (
                "a GPU node has too little disk, memory or processes left: free some there (crictl rmi --prune); its "
                "taint then goes away by itself"
            ),
        ),
        (
            r"node\.kubernetes\.io/(?:unschedulable|not-ready|unreachable)|were unschedulable",
            "GPU nodes are cordoned or away: kubectl get nodes; kubectl uncordon those whose maintenance is over",
        ),
        (r"Too many pods", "the GPU nodes run as many pods as they may: see maxPods of their kubelets"),
        (
            r"(?:anti-affinity rules|topology spread constraints|free ports)",
            "the pod's anti-affinity, topology spread or hostPort keeps it away from the nodes that are left",
        ),
    )
)


def names_claim(said: str) -> bool:
    """Say whether the scheduler waits for a ResourceClaim."""
    return CLAIMS.search(said[:LONGEST_MESSAGE]) is not None


def scheduling_fix(facts: ClusterFacts, pod: ApiObject, said: str) -> str:
    """Return what helps a pod for which the scheduler found no node."""
    message = said[:LONGEST_MESSAGE]
    by_nodes = _by_nodes(facts, pod, message)
    by_text = next((fix for pattern, fix in FIXES if pattern.search(message)), "")
    return by_nodes or by_text.format(namespace=namespace_of(pod)) or _by_amounts(facts, message) or LOOK


def _by_nodes(facts: ClusterFacts, pod: ApiObject, message: str) -> str:
    """Return what keeps a pod away from every GPU node: its selectors, or taints."""
    try:
        nodes = [node for node in facts.gpu_nodes if takes_pods(node)]
    except CannotTellError:
        return ""
    spec = mapping(pod.get("spec"))
    selected = [node for node in nodes if selects({**spec, "nodeName": ""}, node)]
    if nodes and not selected:
        return "no GPU node has the labels that the pod's selectors require: kubectl get nodes --show-labels"
    shut = [_shutting(pod, node) for node in selected]
    if "taint" not in message or not shut or not all(shut):
        return ""
    taints = {taint.key: taint for found in shut for taint in found[:1]}
    added = ", ".join(f"{{key: {one.key}, operator: Exists, effect: {one.effect}}}" for one in taints.values())
    return f"every GPU node that it may use is tainted: add to the pod's spec, tolerations: [{added}]"


def _shutting(pod: ApiObject, node: Node) -> list[Taint]:
    """Return the lasting taints of a node that a pod does not tolerate."""
    tolerations = list(items(mapping(pod.get("spec")).get("tolerations")))
    return [
        taint
        for taint in node.taints
        if taint.effect != "PreferNoSchedule"
        and not is_temporary_taint(taint.key)
        and not tolerates_all(tolerations, (taint,))
    ]


def _by_amounts(facts: ClusterFacts, message: str) -> str:
    """Return which other resource the nodes with free GPUs lack."""
    nodes = ALL_NODES.search(message)
    lacking = {name: int(count) for count, name in LACKING.findall(message)}
    others = [name for name in lacking if not facts.is_any_gpu(name)]
    without_gpus = max((count for name, count in lacking.items() if facts.is_any_gpu(name)), default=0)
    if not nodes or not others or without_gpus >= int(nodes[1]):
        return ""
    return (
        f"the GPU nodes have too little {' and '.join(others)} free: lower the pod's requests, or free some (kubectl "
        "describe nodes | grep -A8 'Allocated resources')"
    )
