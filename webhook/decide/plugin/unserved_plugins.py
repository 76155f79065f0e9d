"""Plugin pods that run and find no GPU: they were created without the webhook, or it left them alone.

A pod is not patched later. So the question is what its DaemonSet's next pod on that node would get.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from webhook.decide.decision import Decision, Reason, RequestInfo, Verdict
from webhook.decide.plugin.decide import decide_plugin
from webhook.decide.plugin.rules import CREATORS
from webhook.decide.pod import Pod
from webhook.kube.node_affinity import only_on
from webhook.kube.values import mapping
from webhook.nvidia.gpu_resources import offers_gpus
from webhook.nvidia.known_plugins import Role
from webhook.observations.setback import SetbackKind
from webhook.policy.model import Policy
from webhook.view.plugin_projections import find_plugin, known_plugins
from webhook.view.view import ClusterView, Node, Nvml, PluginDaemonSet, PluginPod

# https://github.com/NVIDIA/k8s-device-plugin/tree/main/docs/gpu-feature-discovery#generated-labels
DISCOVERED_LABEL = "nvidia.com/gpu.product"
CREATOR = min(CREATORS)
LEFT = f"{Verdict.LEAVE}/{Reason.SETBACK}"


@dataclass(frozen=True, slots=True)
class UnservedPlugin:
    """A plugin pod that finds no GPU, its DaemonSet, and the decision for the next pod on its node.

    ``is_held`` says that the pod was left alone because a patch had failed there: until node or policy change, it stays
    as it is, so that expiry of the setback does not release it.
    """

    pod: PluginPod
    daemon_set: PluginDaemonSet
    decision: Decision
    is_held: bool = False

    @property
    def is_repairable(self) -> bool:
        """Say whether the pod would be patched if it were created now, and may be evicted for that."""
        return self._would_be_patched and not self.is_held

    @property
    def may_be_tried_again(self) -> bool:
        """Say whether the time of the setback is over: only a person re-creates the pod."""
        return self._would_be_patched and self.is_held

    @property
    def _would_be_patched(self) -> bool:
        return self.decision.verdict is Verdict.BOOTSTRAP and not self.decision.dry_run


def unserved_plugins(view: ClusterView, policy: Policy, classes_age_seconds: float) -> Iterator[UnservedPlugin]:
    """Yield the plugin pods that find no GPU, in the namespaces where plugins are trusted, by node.

    ``classes_age_seconds`` is the time since the RuntimeClass was last known current. Deciding takes long in a
    large cluster, so this yields one at a time.
    """
    owners = {
        (item.plugin.namespace, item.uid): item
        for item in (view.daemon_sets or {}).values()
        if item.uid and item.plugin.namespace in policy.bootstrap.namespaces
    }
    failed = {key[:3] for key in view.setbacks.entries}
    for pod in sorted((view.plugin_pods or {}).values(), key=lambda pod: pod.node):
        owner = owners.get((pod.plugin.namespace, pod.owner))
        node = (view.nodes or {}).get(pod.node)
        if owner and node and (_is_unserved(pod, owner, node, policy) or _is_without_effect(pod, node, view)):
            request = RequestInfo(
                pod.plugin.namespace, username=CREATOR, runtime_classes_age_seconds=classes_age_seconds
            )
            is_held = pod.decision == LEFT and (pod.plugin.namespace, pod.owner_name, node.name) in failed
            yield UnservedPlugin(pod, owner, decide_plugin(next_pod(owner, node.name), request, policy, view), is_held)


def next_pod(daemon_set: PluginDaemonSet, node_name: str) -> Pod:
    """Return the pod that the DaemonSet controller would create for a node."""
    template = daemon_set.template
    spec, metadata = mapping(template.get("spec")), mapping(template.get("metadata"))
    owner = {"apiVersion": "apps/v1", "kind": "DaemonSet", "controller": True}
    owner |= {"name": daemon_set.plugin.name, "uid": daemon_set.uid}
    return {
        "metadata": {**metadata, "ownerReferences": [owner]},
        "spec": {**spec, "affinity": only_on(node_name, mapping(spec.get("affinity")))},
    }


def _is_without_effect(pod: PluginPod, node: Node, view: ClusterView) -> bool:
    """Say whether a pod runs with a patch of ours that was seen to have no effect."""
    found = view.setbacks.failed(pod.plugin.namespace, pod.owner_name, node, pod.recipe)
    return pod.running and found is not None and found.kind is SetbackKind.NO_GPU and found.pod == pod.uid


def _is_unserved(pod: PluginPod, daemon_set: PluginDaemonSet, node: Node, policy: Policy) -> bool:
    """Say whether a pod runs without NVML and finds no GPU; the node's default runtime may bring NVML as well."""
    if not pod.running or pod.plugin.nvml is not Nvml.NEITHER:
        return False
    found = find_plugin(daemon_set.template, known_plugins(policy))
    match found[0].role if found else Role.OTHER:
        case Role.DEVICE_PLUGIN:
            # Capacity, not what is allocatable: a GPU that is unhealthy was found, too.
            return offers_gpus(node.capacity, policy.is_gpu_resource) is False
        case Role.FEATURE_DISCOVERY:
            return DISCOVERED_LABEL not in node.labels
        case _:
            return not pod.ready
