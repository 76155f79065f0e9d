"""The pods that bring driver, container toolkit, MIG, MPS and DRA: without them no device plugin can work."""

from dataclasses import dataclass
from datetime import timedelta

from webhook.doctor.api_reads import is_ready
from webhook.doctor.check import Result, fails_on, warns_on
from webhook.doctor.cluster_facts import ClusterFacts
from webhook.doctor.fact import ApiObject, CannotTellError
from webhook.doctor.failure_fixes import fix_for
from webhook.doctor.pod_trouble import cause_of, trouble_of
from webhook.kube.metadata import full_name, metadata, name_of, namespace_of
from webhook.kube.values import mapping, text
from webhook.nvidia.failure_messages import FailureKind, failure_of
from webhook.nvidia.plugin_messages import last_error_line
from webhook.nvidia.support_pods import Support, fix_in_log
from webhook.view.recorded_time import parse_time

# A driver container builds modules for some minutes.
STARTING = timedelta(minutes=10)
NO_IMAGE = (
    "the driver's image does not exist for this system or version: choose another driver.version, or install the "
    "driver on the node and set driver.enabled=false in the GPU Operator"
)


@dataclass(frozen=True, slots=True)
class Unwell:
    """A pod that is not well: what it brings, its node, why, and whether its node lacks GPUs because of it."""

    pod: ApiObject
    role: Support
    node: str
    why: str
    matters: bool


def support(facts: ClusterFacts) -> Result:
    """The pods that bring what a device plugin needs are well."""
    found = unwell_support(facts)
    troubles = [_line(facts, one) for one in found]
    state = fails_on if any(one.matters for one in found) else warns_on
    return state(troubles, *(_fix(facts, one) for one in found[:1]), otherwise=_summary(facts))


def unwell_support(facts: ClusterFacts) -> list[Unwell]:
    """Return the pods that are not well, the first cause first: what others wait for."""
    order = list(Support)
    found = [one for item, role in facts.support if (one := _unwell(facts, item, role))]
    return sorted(found, key=lambda one: (order.index(one.role), not one.matters, full_name(one.pod)))


def fix_of_support(facts: ClusterFacts) -> str:
    """Return what helps the first pod that is not well, empty where all are well."""
    return next((_fix(facts, one) for one in unwell_support(facts)), "")


def _unwell(facts: ClusterFacts, pod: ApiObject, role: Support) -> Unwell | None:
    status, node = mapping(pod.get("status")), text(mapping(pod.get("spec")).get("nodeName"))
    if is_ready(pod) or status.get("phase") == "Succeeded" or "deletionTimestamp" in metadata(pod):
        return None
    why = trouble_of(pod) or "not ready"
    created = parse_time(metadata(pod).get("creationTimestamp"))
    is_new = created is not None and timedelta(0) <= facts.now - created < STARTING
    known_node = facts.node_facts.get(node)
    serves = known_node is not None and facts.offers_gpus(known_node)
    return Unwell(pod, role, node, why, matters=not is_new and not serves)


def _line(facts: ClusterFacts, one: Unwell) -> str:
    said = last_error_line(_log(facts, one.pod))
    quoted = f"; its log says: {said}" if said and said not in one.why else ""
    return f"{one.role} {full_name(one.pod)} on {one.node or 'no node'}: {one.why}{quoted}"


def _fix(facts: ClusterFacts, one: Unwell) -> str:
    message, reason = cause_of(one.pod)
    failure = failure_of(message, reason)
    if failure and failure.kind is FailureKind.IMAGE and one.role is Support.DRIVER:
        return NO_IMAGE
    by_state = fix_for(failure, namespace_of(one.pod)) if failure else ""
    look = f"kubectl -n {namespace_of(one.pod)} logs {name_of(one.pod)} --all-containers"
    return by_state or fix_in_log(f"{_log(facts, one.pod)}\n{message}") or look


def _log(facts: ClusterFacts, pod: ApiObject) -> str:
    try:
        return facts.log_of(pod)
    except CannotTellError:
        return ""


def _summary(facts: ClusterFacts) -> str:
    return f"{len(facts.support)} pods" if facts.support else "no such pods"
