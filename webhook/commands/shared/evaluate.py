"""What would become of an object's pods if it were created now: a verdict for each pod or pod template in it.

The pods of a device plugin's DaemonSet are decided node by node, as the DaemonSet controller would make them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from webhook.commands.shared.prediction import PodVerdict, Question, Situation, reference
from webhook.decide.decision import RequestInfo
from webhook.decide.plugin.unserved_plugins import CREATOR, next_pod
from webhook.decide.pod import Pod
from webhook.kube.metadata import metadata
from webhook.kube.node_affinity import selects, tolerates_all
from webhook.kube.templates import pods_of_steps, pods_within
from webhook.kube.values import EMPTY, items
from webhook.view.plugin_projections import PluginProjection, daemon_set_uid, find_plugin, known_plugins
from webhook.view.view import ClusterView, Node, PluginDaemonSet

# The DaemonSet controller adds tolerations of these to every pod.
# https://kubernetes.io/docs/concepts/workloads/controllers/daemonset/#taints-and-tolerations
NODE_STATE_PREFIX = "node.kubernetes.io/"
# A DaemonSet that was never created has none, but its pods will have an owner.
FUTURE_UID = "(to be created)"
NO_FIELD = "gpu-injector: the object has no field for this; its pods are patched as they are created"


def foresee(item: Mapping[str, Any], situation: Situation) -> Iterator[PodVerdict]:
    """Yield the verdict for each pod, or pod template, of an object; of a plugin's DaemonSet one for each kind of node.

    Nodes are of one kind where the same is decided and written.
    """
    namespace = reference(item, situation.namespace)["namespace"]
    for pointer, pod in pods_within(item):
        if find_plugin(pod, known_plugins(situation.policy)) is None:
            question = Question(pod, RequestInfo(namespace=namespace, is_template=bool(pointer)), situation)
            yield PodVerdict.of(item, pointer, question)
        elif item.get("kind") == "DaemonSet":
            yield from _of_daemon_set(item, pointer, namespace, situation)
        else:
            yield _of_plugin_pod(item, pointer, pod, namespace, situation)
    for pointer, pod in pods_of_steps(item):
        question = Question(pod, RequestInfo(namespace=namespace, is_template=True), situation)
        verdict = PodVerdict.of(item, pointer, question)
        # Nothing can be written into the object; the pods will be patched one by one.
        warnings = (*verdict.decision.warnings, *([NO_FIELD] if verdict.operations else []))
        yield replace(verdict, decision=replace(verdict.decision, operations=(), warnings=warnings))


def _of_plugin_pod(item: Mapping[str, Any], pointer: str, pod: Pod, namespace: str, situation: Situation) -> PodVerdict:
    """Return the verdict for a pod like the plugin; one of a running DaemonSet was made by its controller."""
    creator = CREATOR if daemon_set_uid(pod) else ""
    facts = RequestInfo(namespace=namespace, username=creator, is_template=bool(pointer))
    # Anywhere else the entry for plugins is not called, the one for GPU pods may be.
    is_plugin = namespace in situation.policy.bootstrap.namespaces
    question = Question(pod, facts, situation, is_plugin=is_plugin)
    return PodVerdict.of(item, pointer, question)


def _of_daemon_set(item: Mapping[str, Any], pointer: str, namespace: str, situation: Situation) -> Iterator[PodVerdict]:
    daemon_set = _daemon_set(item, namespace, situation)
    known = replace(situation, view=_with(situation.view, daemon_set))
    facts = RequestInfo(namespace=namespace, username=CREATOR, is_template=True)
    kinds: dict[str, list[PodVerdict]] = {}
    for node in _nodes(daemon_set, situation.view) or [""]:
        question = Question(next_pod(daemon_set, node), facts, known, is_plugin=True)
        verdict = PodVerdict.of(item, pointer, question, (node,) if node else ())
        kinds.setdefault(f"{verdict.decision.word} {verdict.operations}", []).append(verdict)
    for alike in kinds.values():
        yield replace(alike[0], nodes=tuple(name for verdict in alike for name in verdict.nodes))


def _daemon_set(item: Mapping[str, Any], namespace: str, situation: Situation) -> PluginDaemonSet:
    named = {**item, "metadata": {**metadata(item), "namespace": namespace}}
    daemon_set = PluginProjection(known_plugins(situation.policy)).daemon_set(named)
    return daemon_set if daemon_set.uid else replace(daemon_set, uid=FUTURE_UID)


def _with(view: ClusterView, daemon_set: PluginDaemonSet) -> ClusterView:
    """Return the view as it is once the DaemonSet has been created."""
    name = f"{daemon_set.plugin.namespace}/{daemon_set.plugin.name}"
    return replace(view, daemon_sets={**(view.daemon_sets or EMPTY), name: daemon_set})


def _nodes(daemon_set: PluginDaemonSet, view: ClusterView) -> list[str]:
    """Return the names of the nodes on which the DaemonSet would run."""
    tolerations = tuple(items(daemon_set.placement.get("tolerations")))
    return [
        node.name
        for node in (view.nodes or EMPTY).values()
        if selects(daemon_set.placement, node) and tolerates_all(tolerations, _lasting_taints(node))
    ]


def _lasting_taints(node: Node) -> tuple[Any, ...]:
    return tuple(taint for taint in node.taints if not taint.key.startswith(NODE_STATE_PREFIX))
