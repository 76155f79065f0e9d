"""Plugin pods that run and find no GPU: nobody called us when they were made, or we left them alone.

A pod stays as it was made. So the question is what its DaemonSet's next pod on that node would get. Pure, as all
decisions.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from webhook.decide.bootstrap import decide_bootstrap
from webhook.decide.case import RequestFacts
from webhook.decide.decision import Decision, Verdict
from webhook.decide.nodes import offered_gpus
from webhook.decide.pod import Pod
from webhook.decide.rows_of_plugin import CREATORS
from webhook.policy.model import Policy
from webhook.raw import mapping
from webhook.view.plugin_projections import Role, find_plugin, known_plugins
from webhook.view.view import ClusterView, Node, Nvml, PluginDaemonSet, PluginPod

# https://github.com/NVIDIA/k8s-device-plugin/tree/main/docs/gpu-feature-discovery#generated-labels
DISCOVERED_LABEL = "nvidia.com/gpu.product"
CREATOR = min(CREATORS)


@dataclass(frozen=True, slots=True)
class BlindPod:
    """A plugin pod that finds no GPU, the DaemonSet that made it, and what the next one on its node would get."""

    pod: PluginPod
    daemon_set: PluginDaemonSet
    decision: Decision

    @property
    def is_repairable(self) -> bool:
        """Say whether the pod would find the GPU if it were made again."""
        return self.decision.verdict is Verdict.BOOTSTRAP and not self.decision.dry_run


def blind_pods(view: ClusterView, policy: Policy, classes_age_seconds: float) -> Iterator[BlindPod]:
    """Yield the plugin pods that find no GPU, in the namespaces where plugins are believed, by node.

    ``classes_age_seconds`` is the time since the RuntimeClass was last known current. Deciding takes its time in a
    large cluster, so this yields as it goes.
    """
    owners = {
        (item.plugin.namespace, item.uid): item
        for item in (view.daemon_sets or {}).values()
        if item.uid and item.plugin.namespace in policy.bootstrap.namespaces
    }
    for pod in sorted((view.plugin_pods or {}).values(), key=lambda pod: pod.node):
        owner = owners.get((pod.plugin.namespace, pod.owner))
        node = (view.nodes or {}).get(pod.node)
        if owner and node and _is_blind(pod, owner, node, policy):
            facts = RequestFacts(
                pod.plugin.namespace, username=CREATOR, runtime_classes_age_seconds=classes_age_seconds
            )
            yield BlindPod(pod, owner, decide_bootstrap(next_pod(owner, node.name), facts, policy, view))


def next_pod(daemon_set: PluginDaemonSet, node_name: str) -> Pod:
    """Return the pod that the DaemonSet controller would make for a node (facts: "The API server")."""
    template = daemon_set.template
    spec, metadata = mapping(template.get("spec")), mapping(template.get("metadata"))
    owner = {"apiVersion": "apps/v1", "kind": "DaemonSet", "controller": True}
    owner |= {"name": daemon_set.plugin.name, "uid": daemon_set.uid}
    return {
        "metadata": {**metadata, "ownerReferences": [owner]},
        "spec": {**spec, "affinity": _only_on(node_name, mapping(spec.get("affinity")))},
    }


def _only_on(node_name: str, affinity: Mapping[str, Any]) -> Mapping[str, Any]:
    # The controller replaces every term that the template has.
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node_name]}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    return {**affinity, "nodeAffinity": {**mapping(affinity.get("nodeAffinity")), **required}}


def _is_blind(pod: PluginPod, daemon_set: PluginDaemonSet, node: Node, policy: Policy) -> bool:
    """Say whether a pod runs without NVML, and shows it; a pod that found it by the node's default runtime does not."""
    if not pod.running or pod.plugin.nvml is not Nvml.NEITHER:
        return False
    found = find_plugin(daemon_set.template, known_plugins(policy))
    match found[0].role if found else Role.OTHER:
        case Role.DEVICE_PLUGIN:
            return not offered_gpus(node, policy)
        case Role.FEATURE_DISCOVERY:
            return DISCOVERED_LABEL not in node.labels
        case _:
            return not pod.ready
