"""What the pod itself says: rows 1 to 7 of the design's table, each a function of the case that finds, or does not."""

from webhook.decide.case import Case
from webhook.decide.decision import DECISION_KEY, INJECT_KEY, Finding, Reason, Verdict
from webhook.decide.mount import own_mounts
from webhook.decide.pod import annotations, driver_mounts, is_mirror, is_windows, label, runtime_class_name
from webhook.raw import text
from webhook.view.view import Labels

# With `optOut` these still have to ask by label; the webhook's own namespace is excluded by the registration.
SYSTEM_NAMESPACES = frozenset({"kube-system", "kube-public", "kube-node-lease"})

# Whoever may create pods chooses how many containers a patch speaks of, and one pod's patch is worked out while all
# others wait: 10,000 containers took a second, 250 take milliseconds. Nodes run far fewer.
CONTAINERS_LIMIT = 250

# The decisions that a reinvocation keeps, as the annotation tells them.
KEPT = {
    f"{verdict}/{reason}": (verdict, reason)
    for verdict, reason in (
        (Verdict.INJECT, Reason.RUNTIME_CLASS),
        (Verdict.MOUNT, Reason.RUNTIME_CLASS_MISSING),
        (Verdict.MOUNT, Reason.HANDLER_MISSING),
        (Verdict.MOUNT, Reason.HANDLER_UNKNOWN),
    )
}


def not_applicable(case: Case) -> Finding | None:
    """Only the creation of a pod that a Linux kubelet will run for the API server is ours."""
    if not case.facts.is_pod_creation:
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
    setting = setting_of(case, labels)
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


def too_many_containers(case: Case) -> Finding | None:
    """A pod of which nobody could run all containers must not keep the others waiting."""
    count = len(case.containers)
    if count <= CONTAINERS_LIMIT:
        return None
    warning = f"the pod has {count} containers, more than {CONTAINERS_LIMIT}; pod left alone, it may see no GPU"
    return Finding(Verdict.LEAVE, Reason.TOO_MANY_CONTAINERS, warning, (f"the pod has {count} containers",))


def reinvocation(case: Case) -> Finding | None:
    """Our own annotation, with the class or the volumes that we would write, keeps the decision that it tells."""
    verdict, reason = KEPT.get(text(annotations(case.pod).get(DECISION_KEY)), (None, None))
    if verdict is None or reason is None:
        return None
    evidence = (f"the pod carries our annotation {verdict}/{reason}",)
    if verdict is Verdict.INJECT and runtime_class_name(case.pod) == case.policy.runtime_class:
        return Finding(verdict, reason, evidence=evidence)
    if verdict is Verdict.MOUNT and own_mounts(case.pod):
        return Finding(verdict, reason, evidence=evidence)
    return None


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
    if case.spec.get("hostUsers") is not False:
        return None
    warning = "hostUsers: false cannot run under the NVIDIA runtime; pod left alone, it may see no GPU"
    return Finding(Verdict.LEAVE, Reason.USER_NAMESPACES, warning, ("the pod has hostUsers: false",))


def is_dry_run(case: Case) -> bool:
    """Say whether nothing is to be written: by the policy, or by the namespace's label."""
    labels = case.namespace_labels
    return case.policy.dry_run or (labels is not None and labels.get(INJECT_KEY) == "dry-run")


def setting_of(case: Case, labels: Labels) -> str:
    """Return what the namespace's label says, or what the policy makes of a namespace without it."""
    setting = labels.get(INJECT_KEY, "")
    if not setting and case.policy.opt_out and case.facts.namespace not in SYSTEM_NAMESPACES:
        return "enabled"
    return setting
