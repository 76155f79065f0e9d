"""Patches of workloads that failed: pods that they block, and namespaces whose next pods are left alone for now."""

from collections.abc import Iterator

from webhook.decide.pod import annotations
from webhook.decide.workload.setback_result import resolution
from webhook.doctor.check import Result, fails_on
from webhook.doctor.cluster_facts import ClusterFacts
from webhook.doctor.fact import ApiObject, known
from webhook.kube.metadata import full_name, metadata, name_of, namespace_of
from webhook.kube.values import mapping, text
from webhook.names import DECISION_KEY, VOLUME_PREFIX
from webhook.nvidia.failure_messages import FailureKind
from webhook.observations.workload_failure import REFUSALS, EventReason, WorkloadFailure, current
from webhook.view.event_projection import project_failure

LONGEST = 160
PATCHED = ("inject/", "mount/")


def workload_setbacks(facts: ClusterFacts) -> Result:
    """No patch of a GPU pod failed within the last hour."""
    blocked = list(_blocked(facts))
    lines = [f"{full_name(pod)} is blocked by our patch: {_short(failure)}" for pod, failure in blocked]
    seen = dict(_namespaces(facts))
    lines += [f"new GPU pods of {name} may be left alone (setback): {_short(one)}" for name, one in seen.items()]
    fixes = [_release(pod) for pod, _ in blocked[:1]]
    fixes += [resolution(failure) for failure in (*(one for _, one in blocked), *seen.values())][:1]
    return fails_on(lines, *fixes)


def _release(pod: ApiObject) -> str:
    return f"kubectl -n {namespace_of(pod)} delete pod {name_of(pod)}: the next pod of its controller is left alone"


def _blocked(facts: ClusterFacts) -> Iterator[tuple[ApiObject, WorkloadFailure]]:
    """Yield the GPU pods with our patch that do not start, each with the Event that says so."""
    by_uid = {(namespace, one.about.uid): one for namespace, one in _failures(facts) if _is_of_patch(facts, one)}
    for pod in known(facts.gpu_pods):
        is_patched = text(annotations(pod).get(DECISION_KEY)).startswith(PATCHED)
        failure = by_uid.get((namespace_of(pod), text(metadata(pod).get("uid"))))
        if failure and is_patched and mapping(pod.get("status")).get("phase") == "Pending":
            yield pod, failure


def _namespaces(facts: ClusterFacts) -> Iterator[tuple[str, WorkloadFailure]]:
    """Yield the namespaces of which an Event shows such a failure; the last one of each counts."""
    return ((namespace, one) for namespace, one in _failures(facts) if _is_of_patch(facts, one))


def _failures(facts: ClusterFacts) -> Iterator[tuple[str, WorkloadFailure]]:
    found = ((namespace_of(event), project_failure(event)) for event in known(facts.events))
    return ((namespace, one) for namespace, one in found if one and list(current([one], facts.now)))


def _is_of_patch(facts: ClusterFacts, failure: WorkloadFailure) -> bool:
    """Say whether an Event names what our patches add; a decision also looks at the pod."""
    cause = failure.cause
    if failure.reason is EventReason.SANDBOX:
        handlers = (text(item.get("handler")) for item in _classes(facts))
        return cause is not None and cause.kind is FailureKind.HANDLER_UNKNOWN and cause.subject in handlers
    names_class = failure.reason in REFUSALS and "runtimeclass" in failure.lowered
    return names_class or VOLUME_PREFIX in failure.message


def _classes(facts: ClusterFacts) -> Iterator[ApiObject]:
    return (item for item in known(facts.runtime_classes) if name_of(item) == facts.policy.runtime_class)


def _short(failure: WorkloadFailure) -> str:
    return failure.text if len(failure.text) <= LONGEST else f"…{failure.text[-LONGEST:]}"
