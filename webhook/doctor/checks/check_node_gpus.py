"""The GPUs of the nodes: which nodes have some, whether they offer them, and whether they are reported as broken."""

import re
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

from webhook.doctor.api_reads import is_ready
from webhook.doctor.check import Result, fails_on, passes, warns_on
from webhook.doctor.checks.check_plugin_log import seen_in
from webhook.doctor.cluster_facts import ClusterFacts
from webhook.doctor.fact import ApiObject, Unread, known
from webhook.doctor.maintenance import is_in_maintenance
from webhook.doctor.node_offers import COUNT_LABEL, GPU
from webhook.doctor.node_providers import BOTTLEROCKET, by_dra
from webhook.kube.metadata import metadata, name_of, namespace_of
from webhook.kube.values import items, mapping, text
from webhook.nvidia.plugin_messages import find_in_log, has_registered
from webhook.nvidia.startup_taints import is_temporary_taint
from webhook.view.recorded_time import parse_time
from webhook.view.view import Node

# Labels in which the GPU Operator keeps a node's state -> the values that report a failure, and the fix.
# Source: https://docs.nvidia.com/datacenter/cloud-native/gpu-operator/latest/gpu-driver-upgrades.html
UPGRADE_LABEL = "nvidia.com/gpu-driver-upgrade-state"
STATE_LABELS = {
    UPGRADE_LABEL: (
        ("upgrade-failed", "drain-failed", "pod-deletion-failed"),
        "kubectl -n gpu-operator logs -l app=nvidia-driver-daemonset --all-containers   (on {node})",
    ),
    "nvidia.com/mig.config.state": (
        ("failed",),
        "kubectl -n gpu-operator logs -l app=nvidia-mig-manager   (on {node}; nvidia.com/mig.config names the wish)",
    ),
}
CONDITION_FIX = (
    "kubectl describe node {node}; on it: nvidia-smi and dmesg | grep -i xid; drain it, and reboot or replace it"
)
LONGEST_MESSAGE = 200
CORDONED = "cordoned"
# The operator takes nvidia.com/gpu.present away again from nodes that lack the labels of feature discovery.
DISCOVERY = (
    "the GPU Operator waits for labels of Node Feature Discovery (feature.node.kubernetes.io/pci-10de.present): its "
    "workers must run on the GPU nodes: kubectl get pods -A -o wide | grep -i feature-discovery   (nothing, if an "
    "autoscaler adds GPU nodes on demand)"
)
STARTING = timedelta(minutes=10)
NO_PLUGIN = "no pod of a device plugin runs: kubectl get daemonsets -A | grep -i -e device-plugin -e gpu"
HOST_PLUGIN = (
    "Bottlerocket runs the device plugin as a service of the host: systemctl restart nvidia-k8s-device-plugin in its "
    "admin container, or replace the node"
)
# Conditions of nodes about GPUs, as node-problem-detector, EKS, AKS, ACK and NVSentinel set them.
GPU_CONDITION = re.compile(r"gpu|nvidia|nvlink|nvswitch|xid|accelerat", re.IGNORECASE)
GOOD_CONDITION = re.compile(r"(?:Ready|Healthy|OK|Available|(?<!In)Active)$")


def gpu_nodes(facts: ClusterFacts) -> Result:
    """Something shows that a node has a GPU."""
    found = [node.name for node in facts.gpu_nodes]
    if found:
        return passes(f"{len(found)} of {len(facts.node_facts)}")
    troubles = [f"none of {len(facts.node_facts)} nodes offers a GPU, or is labelled to have one"]
    name = min(facts.node_facts, default="NAME")
    label = f"if {name} has a GPU: kubectl label node {name} nvidia.com/gpu.present=true"
    others = "likewise other nodes with one; " if len(facts.node_facts) > 1 else ""
    fix = f"{label}   ({others}nothing, if an autoscaler adds GPU nodes on demand)"
    if known(facts.cluster_policies) or known(facts.gpu_clusters):
        fix = DISCOVERY
    # Without a GPU pod there may be no GPU node: an autoscaler starts from zero.
    return fails_on(troubles, fix) if known(facts.gpu_pods) else warns_on(troubles, fix)


def ready(facts: ClusterFacts) -> Result:
    """The GPU nodes are Ready and take pods."""
    names = {node.name for node in facts.gpu_nodes}
    found = {name_of(item): list(_unready(item)) for item in known(facts.nodes) if name_of(item) in names}
    troubles = [f"{name}: {why}" for name, reasons in found.items() for why in reasons]
    # Nodes come and go. While another one takes pods, a node that does not is no reason why GPU pods fail.
    state = warns_on if any(not reasons for reasons in found.values()) else fails_on
    first = next((name for name, reasons in found.items() if reasons), "")
    return state(troubles, *(_fix_of_unready(facts, first, found[first]) for _ in troubles[:1]))


def _fix_of_unready(facts: ClusterFacts, name: str, reasons: list[str]) -> str:
    step = facts.node_facts[name].labels.get(UPGRADE_LABEL, "")
    if step and step not in (*STATE_LABELS[UPGRADE_LABEL][0], "upgrade-done", "upgrade-required"):
        return f"nothing yet: the GPU Operator upgrades the driver of {name} ({step}), and uncordons it afterwards"
    return f"kubectl {'uncordon' if reasons == [CORDONED] else 'describe node'} {name}"


def _unready(node: object) -> Iterator[str]:
    found = mapping(node)
    conditions = items(mapping(found.get("status")).get("conditions"))
    if not any(item.get("type") == "Ready" and item.get("status") == "True" for item in conditions):
        yield "not Ready"
    if mapping(found.get("spec")).get("unschedulable"):
        yield CORDONED


def allocatable(facts: ClusterFacts) -> Result:
    """Each GPU node has GPUs to give, unless DRA gives them."""
    counted = [node for node in facts.gpu_nodes if not by_dra(facts.providers.of_node(node))]
    lacking = [node for node in counted if _offers_nothing(facts, node)]
    troubles = [
        f"{node.name} offers {', '.join(f'{name}: {amount}' for name, amount in facts.offered(node).items()) or 'none'}"
        for node in lacking
    ]
    total = Counter[str]()
    for node in counted:
        offers = {**facts.offered(node), **facts.other_offers(node)}
        total.update({name: int(amount) for name, amount in offers.items() if amount.isdecimal()})
    summary = ", ".join(f"{count} {name}" for name, count in total.items())
    by_slices = len(facts.gpu_nodes) - len(counted)
    if troubles and all(_has_just_started(facts, node.name) for node in lacking):
        return warns_on(
            troubles, "nothing yet: the node is new, and its driver and device plugin may still be starting"
        )
    state = warns_on if is_in_maintenance(facts, [node.name for node in lacking]) else fails_on
    return state(troubles, _look_at_plugins(facts), otherwise=summary or (f"{by_slices} by DRA" if by_slices else ""))


def _offers_nothing(facts: ClusterFacts, node: Node) -> bool:
    """Say whether a node should offer GPUs and does not; nodes that are not Ready are another check's."""
    if facts.offers_gpus(node) or facts.lacking(node):
        return False
    return node.ready is not False


def _has_just_started(facts: ClusterFacts, name: str) -> bool:
    item = facts.node(name)
    taints = items(mapping(item.get("spec")).get("taints"))
    if any(is_temporary_taint(text(taint.get("key"))) for taint in taints):
        return True
    created = parse_time(metadata(item).get("creationTimestamp"))
    return created is not None and timedelta(0) <= facts.now - created < STARTING


def resources(facts: ClusterFacts) -> Result:
    """The policy names the GPU resources of all nodes that need us."""
    found = [(node, name) for node in facts.class_nodes for name in facts.other_offers(node)]
    troubles = (
        f"{node.name} offers {name}, which the policy does not name: its pods are left alone" for node, name in found
    )
    names = sorted({name for _, name in found})
    return warns_on(
        troubles,
        "add to the policy, and to the registration by the chart's values:",
        f"resources: [{', '.join((*facts.policy.resources, *names))}]",
    )


def _look_at_plugins(facts: ClusterFacts) -> str:
    """Return what shows why a node offers nothing: the plugin's log, or where the plugin is missing that."""
    idle = {node.name for node in facts.gpu_nodes if _offers_nothing(facts, node)}
    pods = [item for item, node in facts.talking if node in idle] or [item for item, _ in facts.talking]
    if not pods:
        system = next((facts.node_facts[name].os_image for name in sorted(idle)), "")
        return HOST_PLUGIN if system.startswith(BOTTLEROCKET) else NO_PLUGIN
    pod = pods[0]
    log = "" if isinstance(facts.plugin_logs, Unread) else facts.log_of(pod)
    if is_ready(pod) and has_registered(log) and find_in_log(log) is None:
        return (
            f"kubectl -n {namespace_of(pod)} delete pod {name_of(pod)}   (it registered, and the kubelet lost it: a "
            "restart of the kubelet removes the plugin's socket)"
        )
    return seen_in(log) or f"kubectl -n {namespace_of(pod)} logs {name_of(pod)} --all-containers"


def _why_fewer(facts: ClusterFacts, node: Node, offers: str) -> str:
    if offers == "0" and facts.offers_gpus(node):
        return "they are unhealthy, or left over from another MIG configuration (the node offers other GPUs)"
    return "the others are unhealthy, as their device plugin says"


def healthy(facts: ClusterFacts) -> Result:
    """No GPU of a node is unhealthy: the node offers all that it has."""
    # What a node that is away offered last tells nothing of its GPUs.
    nodes = [node for node in facts.gpu_nodes if node.ready is not False]
    lacking = [(node, facts.lacking(node)) for node in nodes if facts.lacking(node)]
    troubles = [
        f"{node.name} has {has} {name} and offers {offers}: {_why_fewer(facts, node, offers)}"
        for node, found in lacking
        for name, (offers, has) in found.items()
    ]
    fewer = [node for node in nodes if facts.counts_fewer(node)]
    troubles += [
        f"{node.name} has {node.capacity[GPU]} {GPU}, and its label {COUNT_LABEL} counts {node.labels[COUNT_LABEL]}"
        for node in fewer
    ]
    node = next((one.name for one in (*(one for one, _ in lacking), *fewer)), "")
    fix = f"on {node}: dmesg | grep -i xid; restart its device plugin pod; where that does not help, reboot the node"
    idle = [one.name for one, _ in lacking if not facts.offers_gpus(one)]
    return (warns_on if not idle or is_in_maintenance(facts, idle) else fails_on)(troubles, fix)


def states(facts: ClusterFacts) -> Result:
    """No label or condition of a GPU node says that it, its driver or its MIG configuration failed."""
    found = [
        (node.name, f"{label}={node.labels[label]}", fix)
        for node in facts.gpu_nodes
        for label, (bad, fix) in STATE_LABELS.items()
        if node.labels.get(label) in bad
    ]
    found += [
        (node.name, said, CONDITION_FIX) for node in facts.gpu_nodes for said in _conditions(facts.node(node.name))
    ]
    state = warns_on if is_in_maintenance(facts, {name for name, _, _ in found}) else fails_on
    return state(
        (f"{name} has {label}" for name, label, _ in found), *(f"{fix.format(node=name)}" for name, _, fix in found[:1])
    )


def _conditions(node: ApiObject) -> Iterator[str]:
    """Yield the conditions by which something reports a problem of a node's GPUs."""
    for condition in items(mapping(node.get("status")).get("conditions")):
        name, status = text(condition.get("type")), condition.get("status")
        bad = "False" if GOOD_CONDITION.search(name) else "True"
        if status == bad and GPU_CONDITION.search(name):
            said = " ".join(text(condition.get("message")).split())[:LONGEST_MESSAGE]
            yield f"condition {name}={status}: {text(condition.get('reason'))} {said}".rstrip(": ")
