"""The pods of device plugins: whether they run, and what a pod that does not run waits for."""

from collections.abc import Mapping
from typing import Any

from webhook.doctor.api_reads import is_ready
from webhook.doctor.check import Result, passes, warns_on
from webhook.doctor.checks.check_plugin_log import has_gpus, seen_in, weighed
from webhook.doctor.checks.check_support import unwell_support
from webhook.doctor.cluster_facts import ClusterFacts
from webhook.doctor.fact import CannotTellError, Unread
from webhook.doctor.failure_fixes import fix_for
from webhook.doctor.last_events import last_event
from webhook.doctor.plugin_pods import wanted_node
from webhook.doctor.pod_trouble import cause_of, running_init, trouble_of, unschedulable
from webhook.doctor.scheduling_fixes import scheduling_fix
from webhook.kube.metadata import full_name, labels_of, name_of, namespace_of
from webhook.kube.values import mapping
from webhook.nvidia.failure_messages import failure_of
from webhook.nvidia.plugin_messages import last_error_line, last_line

VALIDATIONS = (
    "{init} waits for a file in /run/nvidia/validations, which the GPU Operator's other pods on {node} create: kubectl "
    "get pods -A -o wide --field-selector spec.nodeName={node} | grep nvidia   (driver, container-toolkit and "
    "operator-validator must be there and run)"
)


def running(facts: ClusterFacts) -> Result:
    """The plugin's pods run and are ready; nodes that are away are another check's."""
    found = [(item, wanted_node(item), why) for item, node in facts.talking if (why := _unwell(facts, item, node))]
    troubles = [f"{full_name(item)} on {node or 'no node'}: {why}" for item, node, why in found]
    if not found:
        return passes(f"{len(facts.talking)} pods")
    nodes = [node for _, node, _ in found]
    strange = next(filter(None, (_fix_of_strange(facts, node) for node in nodes)), "")
    if strange and not has_gpus(facts, nodes):
        return warns_on(troubles, strange)
    return weighed(facts, nodes, troubles, *(_fix_of_unwell(facts, item, node) for item, node, _ in found[:1]))


def _unwell(facts: ClusterFacts, item: Mapping[str, Any], name: str) -> str:
    node = facts.node_facts.get(name)
    if node is not None and node.ready is False:
        return ""
    why = trouble_of(item) or ("" if is_ready(item) else "not ready")
    log = _log_of(facts, item) if why else ""
    said = last_error_line(log) or last_line(log)
    return f"{why}; its log says: {said}" if said and said not in why else why


def _log_of(facts: ClusterFacts, pod: Mapping[str, Any]) -> str:
    try:
        return facts.log_of(pod)
    except CannotTellError:
        return ""


def _fix_of_strange(facts: ClusterFacts, name: str) -> str:
    """Return what keeps a plugin away from a node on which it can never run, empty for other nodes."""
    labels = labels_of(facts.node(name))
    if labels.get("kubernetes.io/os") == "windows":
        return f"{name} runs Windows: add nodeSelector kubernetes.io/os: linux to the DaemonSet's template"
    if name in facts.virtual_nodes:
        return f"{name} is no machine: keep the DaemonSet away from it by a nodeSelector, or take its toleration out"
    return ""


def _fix_of_unwell(facts: ClusterFacts, pod: Mapping[str, Any], node: str) -> str:
    """Return what helps a plugin pod: what its state names, or the pod that it waits for."""
    for message, reason in (cause_of(pod), last_event(facts, "Pod", namespace_of(pod), name_of(pod))):
        failure = failure_of(message, reason)
        if failure and (fix := fix_for(failure, namespace_of(pod))):
            return fix
    if said := unschedulable(pod):
        return scheduling_fix(facts, {**pod, "spec": {**mapping(pod.get("spec")), "affinity": {}}}, said)
    init = running_init(pod)
    if init and not isinstance(facts.support_pods, Unread):
        first = next((one for one in unwell_support(facts) if one.node == node), None)
        if first:
            return f"kubectl -n {namespace_of(first.pod)} logs {name_of(first.pod)} --all-containers   (see gpu-stack)"
    if init.endswith("-validation"):
        return VALIDATIONS.format(init=init, node=wanted_node(pod))
    if init:
        return f"kubectl -n {namespace_of(pod)} logs {name_of(pod)} -c {init}"
    return seen_in(_log_of(facts, pod)) or f"kubectl -n {namespace_of(pod)} describe pod {name_of(pod)}"
