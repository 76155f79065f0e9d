"""Rules about the pod itself, its request and its namespace. Their order is in ``decide`` and ``reinvocation``."""

from collections.abc import Iterator

from webhook.decide.decision import Reason, Verdict
from webhook.decide.limits import LIMITS, exceeded_limit, found_too_large
from webhook.decide.pod import container_count, is_mirror, label, odd_quantities, runtime_class_name
from webhook.decide.rule import Rule, RuleResult, leave, leaves
from webhook.decide.windows_pods import is_windows
from webhook.decide.workload.context import RuleContext
from webhook.kube.containers import host_volumes, mounts_of
from webhook.names import ALWAYS, INJECT_KEY
from webhook.nvidia.own_driver_mounts import is_driver_path


def _too_large(context: RuleContext) -> RuleResult | None:
    limit = exceeded_limit(context.pod)
    return found_too_large(limit) if limit else None


TOO_LARGE = Rule(
    name="too large",
    text="Leave pods beyond the limits alone: working on them would delay the requests of others.",
    check=_too_large,
    evidence=lambda context: [f"containers: {container_count(context.pod)}"],
    outcomes=(
        leaves(
            Reason.TOO_LARGE,
            "the pod has more than one of these limits allows; the warning names the limit: "
            + ", ".join(f"{limit.most:,} {limit.what}" for limit in LIMITS),
            "nothing: no real pod is that large",
        ),
    ),
)


def _not_applicable(context: RuleContext) -> RuleResult | None:
    if not context.request.is_pod_creation:
        return leave(Reason.NOT_APPLICABLE, "the request is not the creation of a pod")
    if is_mirror(context.pod):
        return leave(Reason.NOT_APPLICABLE, "the pod is the mirror of a static pod")
    if is_windows(context.pod):
        return leave(Reason.NOT_APPLICABLE, "the pod is for Windows")
    return None


NOT_APPLICABLE = Rule(
    name="not applicable",
    text="Only new pods for Linux nodes are patched; the mirror of a static pod is not.",
    check=_not_applicable,
    evidence=lambda _: ["a pod for Linux is created"],
    outcomes=(
        leaves(Reason.NOT_APPLICABLE, "the request creates no pod, or a mirror of a static pod, or a Windows pod"),
    ),
)


def _opted_out(context: RuleContext) -> RuleResult | None:
    name, setting = context.request.namespace, context.namespace_setting
    if label(context.pod, INJECT_KEY) == "disabled":
        return leave(Reason.OPTED_OUT, f"the pod's label {INJECT_KEY} is disabled")
    if context.namespace_labels is None:
        return leave(Reason.NAMESPACE_UNKNOWN, f"namespace {name} is not in the view")
    if setting in ("enabled", "dry-run"):
        return None
    reason = Reason.OPTED_OUT if setting == "disabled" else Reason.NOT_OPTED_IN
    return leave(reason, f"namespace {name} has {INJECT_KEY}: {setting or '(no label)'}")


def _opt_in_evidence(context: RuleContext) -> Iterator[str]:
    own = (context.namespace_labels or {}).get(INJECT_KEY)
    yield f"namespace {context.request.namespace} has {INJECT_KEY}: {own or '(no label)'}"
    if not own and context.namespace_setting:
        yield "the policy's optOut enables namespaces without the label"
    yield f"the pod has {INJECT_KEY}: {label(context.pod, INJECT_KEY) or '(no label)'}"


OPTED_OUT = Rule(
    name="opted out",
    text="The labels of the pod and its namespace decide; they are checked again, after the registration's selectors.",
    check=_opted_out,
    evidence=_opt_in_evidence,
    outcomes=(
        leaves(Reason.OPTED_OUT, "pod or namespace is labelled `disabled`", "remove the label"),
        leaves(
            Reason.NOT_OPTED_IN,
            f"the namespace has no label `{INJECT_KEY}`, or another value",
            "label it `enabled` or `dry-run`",
        ),
        leaves(
            Reason.NAMESPACE_UNKNOWN,
            "the namespace was not known yet, and the API server did not answer in 0.3 s",
            "create the pod again",
        ),
    ),
)


def _no_gpu(context: RuleContext) -> RuleResult | None:
    if context.requests_gpu:
        return None
    if odd := next(odd_quantities(context.pod, context.policy), None):
        name, resource, value = odd
        why = f'{name} requests {resource}: "{value[:40]}", which is not a quantity'
        return leave(Reason.NO_GPU, why, f"{why}; pod left alone")
    if any(item.names_gpu for item in context.containers):
        warning = f"label {INJECT_KEY}=always, but the pod requests zero GPUs; left alone" if context.is_always else ""
        return leave(Reason.ZERO_QUANTITY, "the pod requests zero GPUs", warning)
    if context.is_always:
        return None
    return leave(Reason.NO_GPU, "no container requests a positive quantity of a GPU resource")


def _gpu_requests(context: RuleContext) -> Iterator[str]:
    for container in context.gpu_containers:
        yield f"{container.spec.get('name')} requests {', '.join(sorted(container.gpu_resources))}"
    if context.is_always:
        yield f"the pod has {INJECT_KEY}: {ALWAYS}"


NO_GPU = Rule(
    name="no gpu",
    text="Only pods that request a GPU are patched, and pods with the label value `always`; zero GPUs are no request.",
    check=_no_gpu,
    evidence=_gpu_requests,
    outcomes=(
        leaves(Reason.NO_GPU, "no container requests a GPU, or the value is not a quantity"),
        leaves(Reason.ZERO_QUANTITY, "the pod requests zero GPUs"),
    ),
)


def _author_chose(context: RuleContext) -> RuleResult | None:
    name = runtime_class_name(context.pod)
    return leave(Reason.AUTHOR_CHOSE, f"the pod names the RuntimeClass {name}") if name else None


AUTHOR_CHOSE = Rule(
    name="author chose",
    text="A RuntimeClass that the author set is kept.",
    check=_author_chose,
    evidence=lambda _: ["the pod names no RuntimeClass"],
    outcomes=(
        leaves(
            Reason.AUTHOR_CHOSE,
            "the pod names a RuntimeClass of its own",
            "remove it if the NVIDIA runtime should be used",
        ),
    ),
)


def _author_mounts(context: RuleContext) -> RuleResult | None:
    volumes = host_volumes(context.spec)
    for container in context.gpu_users if volumes else ():
        for path in (path for path, _ in mounts_of(volumes, container.spec) if is_driver_path(path)):
            return leave(Reason.AUTHOR_MOUNTS, f"{container.spec.get('name')} mounts {path} of the host")
    return None


AUTHOR_MOUNTS = Rule(
    name="author mounts",
    text="Driver libraries that the author mounts would conflict with those of the runtime.",
    check=_author_mounts,
    evidence=lambda context: (f"{item.spec.get('name')} mounts nothing of the driver" for item in context.gpu_users),
    outcomes=(
        leaves(
            Reason.AUTHOR_MOUNTS,
            "a GPU container mounts the driver's libraries itself",
            "remove the mounts if the NVIDIA runtime should be used",
        ),
    ),
)


def _user_namespaces(context: RuleContext) -> RuleResult | None:
    if context.spec.get("hostUsers") is not False:
        return None
    warning = "hostUsers: false cannot run under the NVIDIA runtime; pod left alone, it may see no GPU"
    return RuleResult(Verdict.LEAVE, Reason.USER_NAMESPACES, warning, ("the pod has hostUsers: false",))


USER_NAMESPACES = Rule(
    name="user namespaces",
    text="NVIDIA's runtime cannot serve a pod in a user namespace.",
    check=_user_namespaces,
    evidence=lambda context: [f"hostUsers is {context.spec.get('hostUsers', '(not set)')}"],
    outcomes=(
        leaves(
            Reason.USER_NAMESPACES,
            "`hostUsers: false`, which NVIDIA's runtime cannot serve",
            "remove it from GPU pods",
        ),
    ),
)
