"""The decision for a GPU pod: the rows of design's table, in order; the first that finds something wins."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Self

from webhook.cluster.view import ClusterView, Labels
from webhook.decide.decision import (
    DECISION_KEY,
    INJECT_KEY,
    Decision,
    Finding,
    Reason,
    Verdict,
    warning_line,
)
from webhook.decide.inject import inject_operations
from webhook.decide.patch import Operation, add_entry
from webhook.decide.pod import (
    Container,
    Pod,
    annotations,
    containers,
    driver_mounts,
    is_mirror,
    is_windows,
    label,
    mapping,
    runtime_class_name,
)
from webhook.policy import Policy

# A RuntimeClass that was deleted this long ago, unseen, would get the pod rejected.
VOUCHED_SECONDS = 90.0

# The API server refuses a pod whose annotations' keys and values are longer in all (256 KiB).
ANNOTATION_LIMIT_BYTES = 262_144

# With `optOut` these still have to ask by label; the webhook's own namespace is excluded by the registration.
SYSTEM_NAMESPACES = frozenset({"kube-system", "kube-public", "kube-node-lease"})


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """What the request says beside the pod, and how old the view was when it was made.

    ``runtime_classes_age_seconds`` is the time since the RuntimeClass that matters was last known current.
    ``is_template`` says that the pod is a controller's template, from which pods will be made.
    """

    namespace: str
    operation: str = "CREATE"
    resource: str = "pods"
    subresource: str = ""
    runtime_classes_age_seconds: float = 0.0
    is_template: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """All that a row may look at."""

    pod: Pod
    facts: RequestFacts
    policy: Policy
    view: ClusterView
    containers: tuple[Container, ...]
    gpu_containers: tuple[Container, ...]

    @classmethod
    def of(cls, pod: Pod, facts: RequestFacts, policy: Policy, view: ClusterView) -> Self:
        """Look through the pod's containers once, for all rows."""
        found = containers(pod, policy)
        return cls(pod, facts, policy, view, found, tuple(item for item in found if item.requests_gpu))

    @property
    def namespace_labels(self) -> Labels | None:
        """The labels of the pod's namespace, None where it is not known."""
        return None if self.view.namespaces is None else self.view.namespaces.get(self.facts.namespace)


Row = Callable[[Case], Finding | None]


def decide(pod: Pod, facts: RequestFacts, policy: Policy, view: ClusterView) -> Decision:
    """Decide what becomes of a pod. Pure: no clock, no I/O; never raises on any JSON object as pod."""
    case = Case.of(pod, facts, policy, view)
    found = next(finding for _, finding in explain(case) if finding)
    dry_run = _is_dry_run(case)
    return Decision(
        verdict=found.verdict,
        reason=found.reason,
        operations=(*_operations(case, found), *_annotation(case, found)),
        warnings=tuple(_warnings(case, found, dry_run)),
        evidence=found.evidence,
        dry_run=dry_run,
    )


def explain(case: Case) -> Iterator[tuple[Row, Finding | None]]:
    """Yield each row that was tried with what it found; the last one decides."""
    for row in ROWS:
        finding = row(case)
        yield row, finding
        if finding:
            return


def not_applicable(case: Case) -> Finding | None:
    """Only the creation of a pod that a Linux kubelet will run for the API server is ours."""
    if not _is_pod_creation(case.facts):
        return Finding(Verdict.LEAVE, Reason.NOT_APPLICABLE, evidence=("the request is not the creation of a pod",))
    if is_mirror(case.pod):
        return Finding(Verdict.LEAVE, Reason.NOT_APPLICABLE, evidence=("the pod is the mirror of a static pod",))
    if is_windows(case.pod):
        return Finding(Verdict.LEAVE, Reason.NOT_APPLICABLE, evidence=("the pod is for Windows",))
    return None


def opted_out(case: Case) -> Finding | None:
    """Labels decide, here once more: the registration's selectors are an optimisation, not the rule."""
    if label(case.pod, INJECT_KEY) == "disabled":
        return Finding(Verdict.LEAVE, Reason.OPTED_OUT, evidence=(f"the pod's label {INJECT_KEY} is disabled",))
    labels = case.namespace_labels
    name = case.facts.namespace
    if labels is None:
        return Finding(Verdict.LEAVE, Reason.NAMESPACE_UNKNOWN, evidence=(f"namespace {name} is not in the view",))
    setting = _setting(case, labels)
    if setting in ("enabled", "dry-run"):
        return None
    reason = Reason.OPTED_OUT if setting == "disabled" else Reason.NOT_OPTED_IN
    return Finding(Verdict.LEAVE, reason, evidence=(f"namespace {name} has {INJECT_KEY}: {setting or '(no label)'}",))


def no_gpu(case: Case) -> Finding | None:
    """A pod that requests no GPU is none of our business; a request for zero is none."""
    if case.gpu_containers:
        return None
    reason = Reason.ZERO_QUANTITY if any(item.names_gpu for item in case.containers) else Reason.NO_GPU
    return Finding(Verdict.LEAVE, reason, evidence=("no container requests a positive quantity of a GPU resource",))


def reinvocation(case: Case) -> Finding | None:
    """Our own annotation, with the class that we would write, keeps the decision that it tells."""
    word = annotations(case.pod).get(DECISION_KEY)
    if word != f"{Verdict.INJECT}/{Reason.RUNTIME_CLASS}" or runtime_class_name(case.pod) != case.policy.runtime_class:
        return None
    return Finding(Verdict.INJECT, Reason.RUNTIME_CLASS, evidence=(f"the pod carries our annotation {word}",))


def author_chose(case: Case) -> Finding | None:
    """The author's own class stays."""
    name = runtime_class_name(case.pod)
    if not name:
        return None
    return Finding(Verdict.LEAVE, Reason.AUTHOR_CHOSE, evidence=(f"the pod names the RuntimeClass {name}",))


def author_mounts(case: Case) -> Finding | None:
    """Libraries that the author mounts would meet the runtime's own."""
    for container in case.gpu_containers:
        for path in driver_mounts(case.pod, container):
            evidence = f"{container.spec.get('name')} mounts {path} of the host"
            return Finding(Verdict.LEAVE, Reason.AUTHOR_MOUNTS, evidence=(evidence,))
    return None


def user_namespaces(case: Case) -> Finding | None:
    """NVIDIA's runtime cannot serve a pod in a user namespace."""
    if mapping(case.pod.get("spec")).get("hostUsers") is not False:
        return None
    warning = "hostUsers: false cannot run under the NVIDIA runtime; pod left alone, it may see no GPU"
    return Finding(Verdict.LEAVE, Reason.USER_NAMESPACES, warning, ("the pod has hostUsers: false",))


def view_stale(case: Case) -> Finding | None:
    """A class that nobody can vouch for is never set: the API server rejects a pod whose class is gone."""
    age = case.facts.runtime_classes_age_seconds
    if age <= VOUCHED_SECONDS:
        return None
    seen = f"last seen {age:.0f} s ago" if math.isfinite(age) else "never seen"
    warning = f'RuntimeClass "{case.policy.runtime_class}" cannot be verified ({seen}); pod left alone'
    return Finding(Verdict.LEAVE, Reason.VIEW_STALE, warning, (f"the view of RuntimeClasses was {seen}",))


def runtime_class(case: Case) -> Finding | None:
    """The class exists: the NVIDIA runtime brings driver and devices."""
    name = case.policy.runtime_class
    found = (case.view.runtime_classes or {}).get(name)
    if found is None:
        return None
    evidence = f"RuntimeClass {name} exists, its handler is {found.handler}"
    return Finding(Verdict.INJECT, Reason.RUNTIME_CLASS, evidence=(evidence,))


def runtime_class_missing(case: Case) -> Finding:
    """Without the class there is nothing to set."""
    name = case.policy.runtime_class
    if case.view.runtime_classes is None:
        warning = f'RuntimeClass "{name}" unknown, the view has no RuntimeClasses; pod left alone, it may see no GPU'
        evidence = "the view has no RuntimeClasses: unknown, not none"
    else:
        warning = f'RuntimeClass "{name}" not found; pod left alone, it may see no GPU'
        evidence = f"the view has {len(case.view.runtime_classes)} RuntimeClasses, none of them {name}"
    return Finding(Verdict.LEAVE, Reason.RUNTIME_CLASS_MISSING, warning, (evidence,))


ROWS: tuple[Row, ...] = (
    not_applicable,
    opted_out,
    no_gpu,
    reinvocation,
    author_chose,
    author_mounts,
    user_namespaces,
    view_stale,
    runtime_class,
    runtime_class_missing,
)


def _is_pod_creation(facts: RequestFacts) -> bool:
    return (facts.operation, facts.resource, facts.subresource) == ("CREATE", "pods", "")


def _setting(case: Case, labels: Labels) -> str:
    setting = labels.get(INJECT_KEY, "")
    if not setting and case.policy.opt_out and case.facts.namespace not in SYSTEM_NAMESPACES:
        return "enabled"
    return setting


def _is_dry_run(case: Case) -> bool:
    labels = case.namespace_labels
    return case.policy.dry_run or (labels is not None and labels.get(INJECT_KEY) == "dry-run")


def _operations(case: Case, found: Finding) -> Iterator[Operation]:
    if found.verdict is Verdict.INJECT:
        yield from inject_operations(case.pod, case.containers, case.policy)


def _annotation(case: Case, found: Finding) -> Iterator[Operation]:
    """Every GPU pod that we were asked about says what was decided, unless that would break it."""
    if not case.gpu_containers or is_mirror(case.pod) or not _is_pod_creation(case.facts) or case.facts.is_template:
        return
    word = f"{found.verdict}/{found.reason}"
    present = annotations(case.pod)
    if present.get(DECISION_KEY) == word:
        return
    others = {key: value for key, value in present.items() if key != DECISION_KEY}
    size = sum(len(f"{key}{value}".encode(errors="surrogatepass")) for key, value in others.items())
    if size + len(DECISION_KEY) + len(word) > ANNOTATION_LIMIT_BYTES:
        return
    metadata = case.pod.get("metadata")
    if isinstance(metadata, dict):
        yield add_entry("/metadata/annotations", metadata.get("annotations"), DECISION_KEY, word)


def _warnings(case: Case, found: Finding, dry_run: bool) -> Iterator[str]:  # noqa: FBT001  read once, above
    if found.warning:
        yield warning_line(found.warning)
    if not dry_run or not case.gpu_containers:
        return
    if found.verdict is Verdict.INJECT:
        yield warning_line(f'dry-run: would set runtimeClassName "{case.policy.runtime_class}" ({found.reason})')
    elif not found.warning:
        yield warning_line(f"dry-run: would leave the pod alone ({found.reason})")
