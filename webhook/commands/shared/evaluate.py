"""Predict the decisions on an object's pods if it were created now: a verdict for each pod or pod template in it.

The pods of a device plugin's DaemonSet are decided node by node, as the DaemonSet controller would create them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from webhook.commands.shared.opt_in import WITHOUT_OPT_IN
from webhook.commands.shared.prediction import DecisionInput, PodVerdict, Situation, reference
from webhook.decide.decision import Reason, RequestInfo, TemplateOwner
from webhook.decide.plugin.unserved_plugins import CREATOR, next_pod
from webhook.decide.pod import Pod
from webhook.kube.knative import KNATIVE_MODES, MAY_REFUSE, REFUSES, kserve_mode
from webhook.kube.metadata import metadata, name_of
from webhook.kube.node_affinity import selects, tolerates_all
from webhook.kube.object_rules import KSERVE_GROUP
from webhook.kube.placeholders import is_parameter, with_single_gpus
from webhook.kube.pod_places import PodPlace, Shape, pod_places
from webhook.kube.quantity import is_positive
from webhook.kube.values import EMPTY, items, text
from webhook.policy.model import Policy
from webhook.view.plugin_projections import PluginProjection, daemon_set_uid, find_plugin, known_plugins
from webhook.view.view import ClusterView, Node, PluginDaemonSet

# The DaemonSet controller adds tolerations of these to every pod.
# https://kubernetes.io/docs/concepts/workloads/controllers/daemonset/#taints-and-tolerations
NODE_STATE_PREFIX = "node.kubernetes.io/"
# A DaemonSet that was never created has no UID, but its pods will have an owner.
FUTURE_UID = "(to be created)"
UNKNOWN_NAMESPACE = "gpu-injector: the namespace of its pods is not known"
NO_FIELD = "gpu-injector: no field for the class here; its pods are patched when they are created"
GPU_COUNT_UNKNOWN = "gpu-injector: the number of GPUs is"
# What is said of a place besides the webhook's own warnings -> its name for programs.
NOTE_CODES = {
    UNKNOWN_NAMESPACE: "pods-namespace-unknown",
    NO_FIELD: "no-field",
    GPU_COUNT_UNKNOWN: "gpu-count-unknown",
    REFUSES: "class-refused",
    MAY_REFUSE: "class-may-be-refused",
}


def predict(item: Mapping[str, Any], situation: Situation) -> Iterator[PodVerdict]:
    """Yield the verdict for each place of an object that describes pods.

    For a plugin's DaemonSet there is one for each group of nodes with the same decision and patch.
    """
    for verdict in _verdicts(item, situation):
        if verdict.is_cluster_scoped and verdict.decision.reason is not Reason.NO_GPU:
            warning = f"{UNKNOWN_NAMESPACE}; judged for -n {situation.namespace}"
            yield _with_warning(verdict, warning)
        else:
            yield verdict


def _verdicts(item: Mapping[str, Any], situation: Situation) -> Iterator[PodVerdict]:
    namespace = reference(item, situation.namespace)["namespace"]
    for place in pod_places(item, partial(_requests_gpu, situation.policy)):
        is_plugin = find_plugin(place.pod, known_plugins(situation.policy)) is not None
        if not is_plugin or place.shape not in (Shape.POD, Shape.TEMPLATE):
            yield from _of_place(item, place, _facts(item, namespace, place.pointer), situation)
        elif item.get("kind") == "DaemonSet":
            yield from _of_daemon_set(item, place.pointer, namespace, situation)
        else:
            yield _of_plugin_pod(item, place.pointer, place.pod, namespace, situation)


def _of_place(
    item: Mapping[str, Any], place: PodPlace, facts: RequestInfo, situation: Situation
) -> Iterator[PodVerdict]:
    """Yield the verdict; where an operator replaces a parameter by the number of GPUs, it is that for one GPU."""
    pod, parameter = place.pod, ""
    if place.shape in (Shape.STEP, Shape.REQUEST):
        pod, parameter = with_single_gpus(pod, situation.policy.is_gpu_resource)
    verdict = _of_workload(item, place, DecisionInput(pod, facts, situation))
    yield (_with_warning(verdict, f"{GPU_COUNT_UNKNOWN} {parameter}; judged for 1") if parameter else verdict)


def _of_workload(item: Mapping[str, Any], place: PodPlace, question: DecisionInput) -> PodVerdict:
    """Return the verdict, for a GPU pod of a namespace that is not opted in with what it would be otherwise."""
    verdict = _written(PodVerdict.of(item, place.pointer, question), place)
    is_whole = place.shape in (Shape.POD, Shape.TEMPLATE) and not verdict.is_cluster_scoped
    verdict = replace(verdict, is_whole_pod=is_whole)
    if verdict.unread or verdict.decision.reason not in WITHOUT_OPT_IN or not question.concerns_gpus:
        return verdict
    return replace(verdict, if_opted_in=_written(PodVerdict.of(item, place.pointer, question.with_opt_in()), place))


def _facts(item: Mapping[str, Any], namespace: str, pointer: str) -> RequestInfo:
    if not pointer:
        return RequestInfo(namespace=namespace)
    owner = TemplateOwner(text(item.get("kind")), name_of(item), text(metadata(item).get("uid")))
    return RequestInfo(namespace=namespace, is_template=True, template_owner=owner)


def _requests_gpu(policy: Policy, name: str, quantity: object) -> bool:
    return policy.is_gpu_resource(name) and (is_positive(quantity) or is_parameter(quantity))


def _written(verdict: PodVerdict, place: PodPlace) -> PodVerdict:
    """Return the verdict with the operations that are possible at the place; the pods themselves are always patched."""
    if place.shape in (Shape.STEP, Shape.REQUEST):
        return _later(verdict, REFUSES if _refuses(verdict, place) else NO_FIELD)
    if _refuses(verdict, place):
        return _later(verdict, REFUSES)
    if place.shape is Shape.POD_SPEC:
        verdict = replace(verdict, is_pod_spec=True)
        if verdict.would_change and _may_refuse(verdict, place):
            return _with_warning(verdict, MAY_REFUSE)
    return verdict


def _refuses(verdict: PodVerdict, place: PodPlace) -> bool:
    if verdict.question.situation.knative_allows:
        return False
    by_kserve = place.owner.group == KSERVE_GROUP and kserve_mode(verdict.item) in KNATIVE_MODES
    return place.owner.is_knative or (by_kserve and place.shape is Shape.POD_SPEC)


def _may_refuse(verdict: PodVerdict, place: PodPlace) -> bool:
    is_unknown = place.owner.kind == "InferenceService" and not kserve_mode(verdict.item)
    return is_unknown and not verdict.question.situation.knative_allows


def _later(verdict: PodVerdict, why: str) -> PodVerdict:
    if not verdict.operations:
        return verdict
    decision = replace(verdict.decision, operations=(), warnings=(*verdict.decision.warnings, why))
    return replace(verdict, decision=decision, obstacle=why)


def _with_warning(verdict: PodVerdict, warning: str) -> PodVerdict:
    decision = verdict.decision
    return replace(verdict, decision=replace(decision, warnings=(*decision.warnings, warning)))


def _of_plugin_pod(item: Mapping[str, Any], pointer: str, pod: Pod, namespace: str, situation: Situation) -> PodVerdict:
    """Return the verdict for a pod like the plugin; one of a running DaemonSet was made by its controller."""
    creator = CREATOR if daemon_set_uid(pod) else ""
    facts = replace(_facts(item, namespace, pointer), username=creator)
    # Anywhere else the entry for plugins is not called, the one for GPU pods may be.
    is_plugin = namespace in situation.policy.bootstrap.namespaces
    question = DecisionInput(pod, facts, situation, is_plugin=is_plugin)
    return PodVerdict.of(item, pointer, question)


def _of_daemon_set(item: Mapping[str, Any], pointer: str, namespace: str, situation: Situation) -> Iterator[PodVerdict]:
    daemon_set = _daemon_set(item, namespace, situation)
    known = replace(situation, view=_with(situation.view, daemon_set))
    facts = RequestInfo(namespace=namespace, username=CREATOR, is_template=True)
    kinds: dict[str, list[PodVerdict]] = {}
    for node in _nodes(daemon_set, situation.view) or [""]:
        question = DecisionInput(next_pod(daemon_set, node), facts, known, is_plugin=True)
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
