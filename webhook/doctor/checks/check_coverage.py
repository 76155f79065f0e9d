"""GPU pods without help: the webhook was not called, came too late, was not asked for, or left them alone."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from webhook.decide.decision import Decision, Reason, RequestInfo, Verdict
from webhook.decide.injected_pods import count_pod, injected_lines, no_pods_yet
from webhook.decide.pod import annotations, containers, driver_mounts, runtime_class_name
from webhook.decide.workload.context import setting_of
from webhook.decide.workload.decide import decide
from webhook.doctor.check import Category, Check, Result, fails_on, warns_on
from webhook.doctor.cluster_facts import ClusterFacts
from webhook.doctor.fact import ApiObject, known
from webhook.doctor.pod_trouble import is_over
from webhook.kube.metadata import full_name, labels_of, metadata, name_of, namespace_of
from webhook.kube.recreate_command import recreate_commands
from webhook.kube.values import items, mapping, text
from webhook.names import DECISION_KEY, INJECT_KEY

# So many commands are shown.
SHOWN_COMMANDS = 5
SHOWN_NAMESPACES = 10
# Reasons to leave a pod alone that need no action: the author chose so, or something else provides the driver.
HARMLESS_REASONS = frozenset(
    {
        Reason.AUTHOR_CHOSE,
        Reason.AUTHOR_MOUNTS,
        Reason.CDI,
        Reason.DRA,
        Reason.NRI,
        Reason.PLATFORM_PROVIDES,
        Reason.NOT_APPLICABLE,
        Reason.OPTED_OUT,
    }
)
LONG_AGO = datetime.min.replace(tzinfo=UTC)


def uncalled(facts: ClusterFacts) -> Result:
    """Each GPU pod that was created since its namespace was opted in has our annotation."""
    found = [pod for pod, since in _unannotated(facts) if _created(pod) > since]
    troubles = [f"{full_name(pod)} carries no annotation: the webhook was not called, or failed" for pod in found]
    counts = _injected(facts)
    look = f"kubectl -n {facts.home} logs -l app.kubernetes.io/name=gpu-injector --tail=50; then re-create the pods:"
    evidence = [counts, *troubles] if troubles else []
    return fails_on(evidence, look, *recreate_commands(found, SHOWN_COMMANDS), otherwise=counts)


def _injected(facts: ClusterFacts) -> str:
    """Return how many GPU pods of each namespace that is opted in carry our patch."""
    counts = no_pods_yet({name_of(item): labels_of(item) for item in known(facts.namespaces)}, facts.policy)
    for pod in known(facts.gpu_pods):
        count_pod(counts, facts.policy, pod)
    lines = list(injected_lines(counts))
    more = [f"and {len(lines) - SHOWN_NAMESPACES} more namespaces"] if len(lines) > SHOWN_NAMESPACES else []
    return "; ".join([*lines[:SHOWN_NAMESPACES], *more])


def too_early(facts: ClusterFacts) -> Result:
    """No GPU pod without a driver is older than the opt-in of its namespace."""
    found = [
        (pod, decision)
        for pod, since in _unannotated(facts)
        if _created(pod) <= since and (decision := _today(facts, pod)).verdict is not Verdict.LEAVE
    ]
    troubles = (
        f"{full_name(pod)} was created before its namespace was opted in; now it would be {decision.word}"
        for pod, decision in found
    )
    return warns_on(troubles, *recreate_commands((pod for pod, _ in found), SHOWN_COMMANDS))


def not_opted_in(facts: ClusterFacts) -> Result:
    """No namespace has GPU pods that need us and no label."""
    opted = _opted_in(facts)
    needing = Counter(
        namespace_of(pod)
        for pod in known(facts.gpu_pods)
        if namespace_of(pod) not in opted
        and not is_over(pod)
        and _is_bare(facts, pod)
        and _today(facts, pod).verdict is not Verdict.LEAVE
    )
    troubles = (f"{name}: {count} GPU pods without a driver, and no label" for name, count in sorted(needing.items()))
    first = min(needing, default="NAME")
    return warns_on(troubles, f"kubectl label namespace {first} {INJECT_KEY}=enabled")


def left(facts: ClusterFacts) -> Result:
    """No GPU pod was left alone for a reason that needs action."""
    content = {f"{Verdict.LEAVE}/{reason}" for reason in HARMLESS_REASONS}
    found = [(pod, text(annotations(pod).get(DECISION_KEY))) for pod in known(facts.gpu_pods)]
    left_out = [(pod, word) for pod, word in found if word.startswith(f"{Verdict.LEAVE}/") and word not in content]
    troubles = (f"{full_name(pod)}: {word}" for pod, word in left_out)
    return warns_on(
        troubles, f"docs/reasons.md explains what to do about {', '.join(sorted({word for _, word in left_out}))}"
    )


REFUSED = frozenset({Reason.POD_SECURITY, Reason.ADMISSION_POLICY})


def pod_security(facts: ClusterFacts) -> Result:
    """No opted-in namespace would refuse the libraries that its GPU pods would need."""
    troubles = (
        f"{name}: {'; '.join(decision.evidence[:2])}"
        for name in sorted(_opted_in(facts))
        if (decision := _decide(facts, _sample(facts), name)).reason in REFUSED
    )
    return warns_on(troubles, "make the RuntimeClass work on the nodes: it needs no hostPath")


def _unannotated(facts: ClusterFacts) -> Iterator[tuple[ApiObject, datetime]]:
    """Yield bare GPU pods of enabled namespaces without annotation, with the time since when they should have one."""
    registration = facts.registration
    if registration is None or facts.policy.dry_run:
        return
    opted = {name: since for name, (setting, since) in _opted_in(facts).items() if setting == "enabled"}
    for pod in known(facts.gpu_pods):
        since = opted.get(namespace_of(pod))
        ours = DECISION_KEY in annotations(pod) or labels_of(pod).get(INJECT_KEY) == "disabled"
        if since and not ours and not is_over(pod) and _is_bare(facts, pod):
            yield pod, max(since, _created(registration))


def _opted_in(facts: ClusterFacts) -> Mapping[str, tuple[str, datetime]]:
    """Return the namespaces that are opted in: their setting, and since when, as far as the API server shows it."""
    settings = ((item, setting_of(name_of(item), labels_of(item), facts.policy)) for item in known(facts.namespaces))
    return {name_of(item): (word, _labelled(item)) for item, word in settings if word in ("enabled", "dry-run")}


def _labelled(namespace: ApiObject) -> datetime:
    """Return when our label was written: the managed fields contain its owner and the time."""
    for owner in items(metadata(namespace).get("managedFields")):
        labels = mapping(mapping(mapping(owner.get("fieldsV1")).get("f:metadata")).get("f:labels"))
        if f"f:{INJECT_KEY}" in labels:
            return moment(owner.get("time"))
    return LONG_AGO


def _is_bare(facts: ClusterFacts, pod: ApiObject) -> bool:
    """Say whether a pod asks for a GPU, and has neither a class nor the driver's files."""
    asking = [container for container in containers(pod, facts.policy) if container.requests_gpu]
    return (
        bool(asking)
        and not runtime_class_name(pod)
        and not any(path for container in asking for path in driver_mounts(pod, container))
    )


def _today(facts: ClusterFacts, pod: ApiObject) -> Decision:
    """Return what the pod would get if it were created now, and its namespace were opted in."""
    spec = {key: value for key, value in mapping(pod.get("spec")).items() if key != "nodeName"}
    return _decide(facts, {"metadata": metadata(pod), "spec": spec}, namespace_of(pod))


def _decide(facts: ClusterFacts, pod: Mapping[str, Any], namespace: str) -> Decision:
    labels = {**(facts.view.namespaces or {}).get(namespace, {}), INJECT_KEY: "enabled"}
    view = replace(facts.view, namespaces={namespace: labels})
    return decide(pod, RequestInfo(namespace), facts.policy, view)


def _sample(facts: ClusterFacts) -> Mapping[str, Any]:
    resource = facts.policy.resources[0].rstrip("*")
    return {"metadata": {}, "spec": {"containers": [{"name": "main", "resources": {"limits": {resource: "1"}}}]}}


def _created(item: ApiObject) -> datetime:
    return moment(metadata(item).get("creationTimestamp"))


def moment(value: object) -> datetime:
    """Return a time as the API server writes it; long ago where there is none."""
    try:
        found = datetime.fromisoformat(text(value))
    except ValueError:
        return LONG_AGO
    return found if found.tzinfo else found.replace(tzinfo=UTC)


CATEGORY = Category(
    "GPU pods and the webhook",
    (
        Check("pods-uncalled", "every new GPU pod was seen by the webhook", uncalled),
        Check("pods-too-early", "no GPU pod is older than its namespace's label", too_early),
        Check("pods-not-opted-in", "no GPU pod lacks a driver for want of a label", not_opted_in),
        Check("pods-left", "no GPU pod was left alone for a reason to see to", left),
        Check("pod-security", "no opted-in namespace refuses what its pods would need", pod_security),
    ),
)
