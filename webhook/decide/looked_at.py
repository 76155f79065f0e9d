"""What each row of the decision for GPU pods looked at when it found nothing; the rows are in ``workload``."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from webhook.decide import rows_of_cluster, rows_of_pod
from webhook.decide.case import Case
from webhook.decide.decision import DECISION_KEY, INJECT_KEY, Finding
from webhook.decide.fallback import ENFORCE_LABEL, GUARDS, Fallback
from webhook.decide.handler import node_provider
from webhook.decide.pod import annotations, label
from webhook.decide.rows_of_cluster import class_evidence
from webhook.decide.rows_of_pod import setting_of


def _applicable(_: Case) -> Iterator[str]:
    yield "a pod for Linux is created"


def _opted_in(case: Case) -> Iterator[str]:
    labels = case.namespace_labels or {}
    yield f"namespace {case.facts.namespace} has {INJECT_KEY}: {labels.get(INJECT_KEY) or '(no label)'}"
    if not labels.get(INJECT_KEY) and setting_of(case, labels):
        yield "the policy's optOut enables namespaces without the label"
    yield f"the pod has {INJECT_KEY}: {label(case.pod, INJECT_KEY) or '(no label)'}"


def _gpu_requests(case: Case) -> Iterator[str]:
    for container in case.gpu_containers:
        yield f"{container.spec.get('name')} requests {', '.join(sorted(container.gpu_resources))}"


def _size(case: Case) -> Iterator[str]:
    yield f"containers: {len(case.containers)}"


def _annotation(case: Case) -> Iterator[str]:
    word = annotations(case.pod).get(DECISION_KEY)
    if word is None:
        yield f"the pod has no annotation {DECISION_KEY}"
    else:
        yield f"the pod's annotation {DECISION_KEY} is {word}, and the pod has not what we would write for it"


def _no_class(_: Case) -> Iterator[str]:
    yield "the pod names no RuntimeClass"


def _no_driver_mounts(case: Case) -> Iterator[str]:
    for container in case.gpu_containers:
        yield f"{container.spec.get('name')} mounts nothing of the driver"


def host_users(case: Case) -> Iterator[str]:
    """Show what decides whether the pod has a user namespace."""
    yield f"hostUsers is {case.spec.get('hostUsers', '(not set)')}"


def _providers(case: Case) -> Iterator[str]:
    yield f"ClusterPolicies: {_count(case.view.cluster_policies)}, DeviceClasses: {_count(case.view.device_classes)}"
    if case.policy.overrule:
        yield f"the policy overrules {', '.join(case.policy.overrule)}"
    for item in case.candidates:
        yield f"{item.example}: {node_provider(item.kind) or 'nothing shows that it hands GPUs out without us'}"
    if not case.candidates:
        yield "no node is known that the pod may land on"


def _age(case: Case) -> Iterator[str]:
    yield f"RuntimeClasses were current {case.facts.runtime_classes_age_seconds:.0f} s ago"


def _class_scheduling(case: Case) -> Iterator[str]:
    found = case.runtime_class
    if found is None:
        yield _no_such_class(case)
    elif not found.node_selector:
        yield f"RuntimeClass {found.name} selects no nodes"
    else:
        selector = ", ".join(f"{key}={value}" for key, value in found.node_selector.items())
        yield f"RuntimeClass {found.name} selects {selector}, which leaves {_nodes(case.class_candidates)}"


def _class_fitness(case: Case) -> Iterator[str]:
    found = case.runtime_class
    if found is None:
        yield _no_such_class(case)
        return
    if found.of_distribution:
        yield f"RuntimeClass {found.name} is one that the distribution makes everywhere, so it proves nothing"
    yield from class_evidence(case, found)


def _no_such_class(case: Case) -> str:
    state = "is unknown" if case.view.runtime_classes is None else "does not exist"
    return f"RuntimeClass {case.policy.runtime_class} {state}"


def _wanted(case: Fallback) -> Iterator[str]:
    yield f"the policy's fallback is {case.policy.fallback}"


def _needed(case: Fallback) -> Iterator[str]:
    yield f"the policy's fallback is {case.policy.fallback}"
    yield from case.evidence()


def _admitted(case: Fallback) -> Iterator[str]:
    own = case.namespace_labels.get(ENFORCE_LABEL)
    yield f"PodSecurity: {own or f'{case.policy.pod_security_default} (no label)'}"
    if case.policy.host_path_granted:
        yield "the policy grants hostPath"
    else:
        yield f"none of {', '.join(GUARDS.values())} is installed"


def _drivers(case: Fallback) -> Iterator[str]:
    yield from case.evidence()
    for item in case.candidates:
        if item.kind.driver and item.kind.driver.complete:
            yield f"{item.example}: its distribution ships every default library with NVML"


def _nothing(_: object) -> Iterator[str]:
    yield from ()


def _count(kind: Mapping[str, object] | None) -> str:
    return "unknown" if kind is None else str(len(kind))


def _nodes(found: tuple[object, ...]) -> str:
    return f"{len(found)} kind{'' if len(found) == 1 else 's'} of nodes"


LOOKED_AT: Mapping[Callable[[Case], Finding | None], Callable[[Case], Iterable[str]]] = {
    rows_of_pod.not_applicable: _applicable,
    rows_of_pod.opted_out: _opted_in,
    rows_of_pod.no_gpu: _gpu_requests,
    rows_of_pod.too_many_containers: _size,
    rows_of_pod.reinvocation: _annotation,
    rows_of_pod.author_chose: _no_class,
    rows_of_pod.author_mounts: _no_driver_mounts,
    rows_of_pod.user_namespaces: host_users,
    rows_of_cluster.provided: _providers,
    rows_of_cluster.view_stale: _age,
    rows_of_cluster.scheduling_conflict: _class_scheduling,
    rows_of_cluster.runtime_class: _class_fitness,
    rows_of_cluster.mixed: _class_fitness,
    rows_of_cluster.fallback: _nothing,
}

FALLBACK_LOOKED_AT: Mapping[Callable[[Fallback], Finding | None], Callable[[Fallback], Iterable[str]]] = {
    Fallback.not_wanted: _wanted,
    Fallback.not_needed: _needed,
    Fallback.refused: _admitted,
    Fallback.driver_unfit: _drivers,
    Fallback.mount: _nothing,
}
