"""GPU pods that wait for a node, or whose containers do not start: what the scheduler, kubelet and runtime say."""

from collections.abc import Iterator, Mapping
from typing import Any

from webhook.decide.pod import containers
from webhook.doctor.check import Result, warns_on
from webhook.doctor.cluster_facts import ClusterFacts
from webhook.doctor.fact import ApiObject, CannotTellError, Unread, known
from webhook.doctor.failure_fixes import fix_for
from webhook.doctor.node_providers import by_dra
from webhook.doctor.scheduling_fixes import names_claim, scheduling_fix
from webhook.kube.containers import last_end, waiting_state
from webhook.kube.metadata import full_name, name_of, namespace_of
from webhook.kube.values import items, mapping, text
from webhook.nvidia.cuda_messages import fix_of_cuda
from webhook.nvidia.failure_messages import failure_of
from webhook.view.dynamic_resources import project_device_class

IMAGE = ("ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull")
NOT_STARTED = (
    *("CreateContainerError", "CreateContainerConfigError", "RunContainerError", "StartError", "ContainerCannotRun"),
    *("CrashLoopBackOff", *IMAGE),
)
# Reasons for which a kubelet rejects a pod of which a device is missing; OutOf<resource> too.
REJECTED = ("UnexpectedAdmissionError", "TopologyAffinityError", "NodeAffinity", "AdmissionError")
OUT_OF = "OutOf"
NVIDIA, NOT_SEEN = "nvidia", "no scheduler has looked at it"
SCHEDULED, DEFAULT_SCHEDULER = "PodScheduled", "default-scheduler"
LOOK = "kubectl -n {namespace} describe pod {name}; kubectl -n {namespace} logs {name} --previous"
# Reasons of a container's end -> what helps, where its message names no cause.
FIXES_BY_END = {"OOMKilled": "the container needs more memory than its limit: raise limits.memory"}


def asking(facts: ClusterFacts) -> Iterator[ApiObject]:
    """Yield the pods that request a GPU."""
    pods = known(facts.gpu_pods)
    return (pod for pod in pods if any(container.requests_gpu for container in containers(pod, facts.policy)))


def pending(facts: ClusterFacts) -> Result:
    """No GPU pod waits for a node."""
    found = [(pod, said) for pod in known(facts.gpu_pods) if (said := _waits(pod)) and _wants_gpu(facts, pod, said)]
    most = _most_of_a_node(facts) if found else {}
    why = [(pod, said, _why_none(facts, pod, most)) for pod, said in found]
    troubles = (f"{full_name(pod)}: {said}{f' ({reason})' if reason else ''}" for pod, said, reason in why)
    reasons = [reason for _, _, reason in why if reason]
    if reasons:
        return warns_on(troubles, f"change the pod's request: {reasons[0]}")
    return warns_on(troubles, *(_fix_of_waiting(facts, *one) for one in found[:1]))


def _wants_gpu(facts: ClusterFacts, pod: ApiObject, said: str) -> bool:
    """Say whether a pod that waits requests a GPU, by a resource or by a claim of NVIDIA's driver."""
    if any(container.requests_gpu for container in containers(pod, facts.policy)):
        return True
    if not names_claim(said):
        return False
    classes = () if isinstance(facts.device_classes, Unread) else map(project_device_class, facts.device_classes)
    return NVIDIA in said or any(NVIDIA in one.driver or NVIDIA in one.name for one in classes)


def _fix_of_waiting(facts: ClusterFacts, pod: ApiObject, said: str) -> str:
    if said.startswith(NOT_SEEN):
        return "install and start that scheduler, or take schedulerName out of the pod"
    return scheduling_fix(facts, pod, said)


def _waits(pod: ApiObject) -> str:
    """Return why a pod has no node, empty where it has one."""
    status, spec = mapping(pod.get("status")), mapping(pod.get("spec"))
    conditions = [one for one in items(status.get("conditions")) if one.get("type") == SCHEDULED]
    for condition in conditions:
        if condition.get("reason") == "Unschedulable":
            return text(condition.get("message"))
    if conditions or spec.get("nodeName") or status.get("phase") != "Pending":
        return ""
    scheduler = text(spec.get("schedulerName")) or DEFAULT_SCHEDULER
    return f'{NOT_SEEN}: does the scheduler "{scheduler}" run?'


def _most_of_a_node(facts: ClusterFacts) -> Mapping[str, int]:
    """Return the most of each GPU resource that one node has; empty where that tells nothing."""
    try:
        nodes = facts.gpu_nodes
        if any(by_dra(facts.providers.of_node(node)) for node in nodes):
            return {}
    except CannotTellError:
        return {}
    found: dict[str, int] = {}
    for node in nodes:
        for name, amount in {**facts.offered(node), **facts.other_offers(node)}.items():
            found[name] = max(found.get(name, 0), _count(amount))
    return found


def _why_none(facts: ClusterFacts, pod: ApiObject, most: Mapping[str, int]) -> str:
    """Return why no node can ever fit a pod's GPUs: the resource is not offered, or not so many of it."""
    offered = sorted(name for name, amount in most.items() if amount)
    for name, wanted in _requested(facts, pod).items() if offered else ():
        if name not in offered:
            return f"no node offers {name}; the nodes offer {', '.join(offered)}"
        if wanted > most[name]:
            return f"it requests {wanted} {name}, and no node has more than {most[name]}"
    return ""


def _requested(facts: ClusterFacts, pod: ApiObject) -> Mapping[str, int]:
    """Return how many of each GPU resource the containers of a pod request together."""
    found: dict[str, int] = {}
    for container in items(mapping(pod.get("spec")).get("containers")):
        resources = mapping(container.get("resources"))
        for name, amount in {**mapping(resources.get("requests")), **mapping(resources.get("limits"))}.items():
            if facts.policy.is_gpu_resource(name):
                found[name] = found.get(name, 0) + _count(text(amount) or str(amount))
    return found


def _count(amount: str | None) -> int:
    return int(amount) if amount and amount.isdecimal() else 0


def not_starting(facts: ClusterFacts) -> Result:
    """No container of a GPU pod fails to start, and no kubelet rejected such a pod."""
    found = [(pod, *trouble) for pod in asking(facts) for trouble in _failures(pod)]
    fixes = (_fix(reason, message, namespace_of(pod)) for pod, _, reason, message in found)
    fix = next(filter(None, fixes), "")
    look = LOOK.format(namespace=namespace_of(found[0][0]), name=name_of(found[0][0])) if found else ""
    troubles = (f"{where}: {reason} {' '.join(message.split())}".rstrip() for _, where, reason, message in found)
    return warns_on(troubles, fix or look)


def _fix(reason: str, message: str, namespace: str) -> str:
    failure = failure_of(message, reason)
    by_end = next((fix for end, fix in FIXES_BY_END.items() if end in reason), "")
    return (fix_for(failure, namespace) if failure else "") or by_end or fix_of_cuda(message)


def _failures(pod: ApiObject) -> Iterator[tuple[str, str, str]]:
    """Yield where a pod fails, the reason and the message."""
    status = mapping(pod.get("status"))
    reason = text(status.get("reason"))
    if status.get("phase") == "Failed" and (reason in REJECTED or reason.startswith(OUT_OF)):
        yield full_name(pod), reason, text(status.get("message"))
    for field in ("initContainerStatuses", "containerStatuses"):
        for container in items(status.get(field)):
            if found := _failure(container):
                yield place(pod, container), *found


def _failure(container: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return reason and message of a container that does not start, or that ends again and again."""
    waiting, ended = waiting_state(container), last_end(container)
    # A container that is not started again stays as it ended.
    now = mapping(mapping(container.get("state")).get("terminated"))
    reason, end = text(waiting.get("reason")), text(ended.get("reason"))
    if text(now.get("reason")) in NOT_STARTED:
        return text(now.get("reason")), text(now.get("message"))
    # The state says CrashLoopBackOff; how the run before ended tells why.
    if reason and end in NOT_STARTED:
        return end, text(ended.get("message"))
    if reason == "CrashLoopBackOff" and end:
        return f"{reason} after {end} (exit code {ended.get('exitCode')})", text(ended.get("message"))
    return (reason, text(waiting.get("message"))) if reason in NOT_STARTED else None


def place(pod: ApiObject, container: Mapping[str, Any]) -> str:
    """Return a pod's name and a container's, for people."""
    return f"{full_name(pod)}, container {text(container.get('name'))}"
