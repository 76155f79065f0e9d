"""The decision for an ephemeral container (``kubectl debug``) that is added to a pod with our RuntimeClass."""

from collections.abc import Iterator

from webhook.decide.decision import Decision, Reason, RequestInfo, Verdict
from webhook.decide.limits import exceeded_limit, left_alone
from webhook.decide.patch import Operation
from webhook.decide.pod import Container, Pod, annotations, runtime_class_name
from webhook.decide.workload.context import RuleContext
from webhook.decide.workload.hidden_gpus import hides_gpus
from webhook.decide.workload.pod_rules import OPTED_OUT
from webhook.decide.workload.void_env import void_operations
from webhook.kube.values import elements, items, mapping, text
from webhook.names import DECISION_KEY
from webhook.policy.model import Policy
from webhook.view.view import ClusterView


def decide_ephemeral(pod: Pod, before: Pod, request: RequestInfo, policy: Policy, view: ClusterView) -> Decision:
    """Decide on the update of ``pods/ephemeralcontainers`` from ``before`` to ``pod``. Pure, as ``decide``.

    Under the NVIDIA class a CUDA image used for debugging would see every GPU of the node, so a new ephemeral container
    gets ``NVIDIA_VISIBLE_DEVICES=void`` where it sets nothing itself, unless the pod's containers get none either.
    Nothing else may change in this request.
    """
    context = RuleContext(pod, request, policy, view)
    if limit := exceeded_limit(pod):
        return left_alone(limit)
    if not _is_injected(pod, policy):
        evidence = ("we did not set the pod's RuntimeClass",)
        return Decision(Verdict.LEAVE, Reason.NOT_APPLICABLE, evidence=evidence)
    if found := OPTED_OUT.check(context):
        return Decision(found.verdict, found.reason, evidence=found.evidence)
    operations = tuple(_operations(pod, before)) if hides_gpus(context) else ()
    return Decision(Verdict.INJECT, Reason.RUNTIME_CLASS, operations, dry_run=context.is_dry_run)


def _is_injected(pod: Pod, policy: Policy) -> bool:
    word = text(annotations(pod).get(DECISION_KEY))
    return word.startswith(f"{Verdict.INJECT}/") and runtime_class_name(pod) == policy.runtime_class


def _operations(pod: Pod, before: Pod) -> Iterator[Operation]:
    known = {text(container.get("name")) for container in items(mapping(before.get("spec")).get("ephemeralContainers"))}
    for index, spec in enumerate(elements(mapping(pod.get("spec")).get("ephemeralContainers"))):
        # Existing ones cannot be changed.
        if isinstance(spec, dict) and text(spec.get("name")) not in known:
            yield from void_operations(Container(f"/spec/ephemeralContainers/{index}", spec))
