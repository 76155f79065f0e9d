"""The decision for an ephemeral container (``kubectl debug``) that is added to a pod which we injected."""

from collections.abc import Iterator

from webhook.decide.case import Case, RequestFacts
from webhook.decide.decision import DECISION_KEY, Decision, Reason, Verdict
from webhook.decide.inject import void_operations
from webhook.decide.patch import Operation
from webhook.decide.pod import Container, Pod, annotations, runtime_class_name
from webhook.decide.rows_of_pod import is_dry_run, opted_out
from webhook.policy.model import Policy
from webhook.raw import elements, items, mapping, text
from webhook.view.view import ClusterView


def decide_ephemeral(pod: Pod, before: Pod, facts: RequestFacts, policy: Policy, view: ClusterView) -> Decision:
    """Decide on the update of ``pods/ephemeralcontainers`` from ``before`` to ``pod``. Pure, as ``decide``.

    Under the NVIDIA class a CUDA image used for debugging would see every GPU of the node, so a new ephemeral container
    gets ``NVIDIA_VISIBLE_DEVICES=void`` where it sets nothing itself. Nothing else may change in this request.
    """
    case = Case.of(pod, facts, policy, view)
    if not _is_injected(pod, policy):
        evidence = ("the pod was not given the RuntimeClass by us",)
        return Decision(Verdict.LEAVE, Reason.NOT_APPLICABLE, evidence=evidence)
    if found := opted_out(case):
        return Decision(found.verdict, found.reason, evidence=found.evidence)
    operations = tuple(_operations(pod, before))
    return Decision(Verdict.INJECT, Reason.RUNTIME_CLASS, operations, dry_run=is_dry_run(case))


def _is_injected(pod: Pod, policy: Policy) -> bool:
    word = text(annotations(pod).get(DECISION_KEY))
    return word.startswith(f"{Verdict.INJECT}/") and runtime_class_name(pod) == policy.runtime_class


def _operations(pod: Pod, before: Pod) -> Iterator[Operation]:
    known = {text(container.get("name")) for container in items(mapping(before.get("spec")).get("ephemeralContainers"))}
    for index, spec in enumerate(elements(mapping(pod.get("spec")).get("ephemeralContainers"))):
        # Those that are there already cannot be changed any more.
        if isinstance(spec, dict) and text(spec.get("name")) not in known:
            yield from void_operations(Container(f"/spec/ephemeralContainers/{index}", spec))
