"""Events of kubelets and controllers about pods that do not start, mapped to their causes."""

from collections.abc import Iterator
from dataclasses import dataclass

from webhook.doctor.check import Category, Check, Result, fails_on
from webhook.doctor.checks.check_runtime_class import missing_class_fix
from webhook.doctor.cluster_facts import ClusterFacts
from webhook.doctor.fact import ApiObject, CannotTellError, known
from webhook.doctor.failure_fixes import cdi_fix, fix_for
from webhook.doctor.last_events import is_of_gpus, is_resolved
from webhook.doctor.runtime_setup import handler_fix
from webhook.kube.metadata import full_name
from webhook.kube.values import mapping, text
from webhook.names import VOLUME_PREFIX
from webhook.nvidia.failure_messages import Failure, FailureKind, failure_of

LONGEST = 200
# Programs of NVIDIA's runtime that fail while they prepare a container.
HOOK_KINDS = (
    FailureKind.CONTAINER_CLI,
    FailureKind.RUNTIME_MISSING,
    FailureKind.RUNTIME_FAILED,
    FailureKind.CDI_HOOK_MISSING,
    FailureKind.PROGRAM_MISSING,
    FailureKind.DEVICE_NODE_MISSING,
)
ALLOCATION_KINDS = (
    FailureKind.DEVICE_ALLOCATION,
    FailureKind.PLUGIN_AWAY,
    FailureKind.SHARING_SCHEDULER,
    FailureKind.SHARED_TOO_MANY,
    FailureKind.TOPOLOGY,
)
DRIVER_FILES = ("nvidia", "libcuda")
REFUSALS = (
    FailureKind.QUOTA,
    FailureKind.QUOTA_REQUEST,
    FailureKind.QUOTA_SCOPE,
    FailureKind.LIMIT_RANGE,
    FailureKind.GPU_QUANTITY,
    FailureKind.POD_SECURITY,
    FailureKind.SECURITY_CONTEXT_CONSTRAINTS,
    FailureKind.ADMISSION_POLICY,
    FailureKind.ADMISSION_WEBHOOK,
    FailureKind.WEBHOOK_AWAY,
    FailureKind.CLASS_SCHEDULING,
    FailureKind.CLASS_OVERHEAD,
    FailureKind.TOLERATIONS,
)
# A refusal contains one of these if our patch is its cause.
OUR_WORDS = (VOLUME_PREFIX, "runtimeClassName")


@dataclass(frozen=True, slots=True)
class Seen:
    """An event whose text shows a cause: its object, its node, its text, and the failure found in the text."""

    of: str
    namespace: str
    node: str
    message: str
    failure: Failure


def no_runtime(facts: ClusterFacts) -> Result:
    """No node was asked for a runtime that it does not have."""
    seen = list(_seen(facts, FailureKind.HANDLER_UNKNOWN))
    return fails_on(map(_line, seen), *(_handler_fix(facts, seen[0]) if seen else ()))


def _handler_fix(facts: ClusterFacts, seen: Seen) -> tuple[str, ...]:
    try:
        return handler_fix(facts.node(seen.node), seen.failure.subject)
    except CannotTellError:
        return handler_fix({}, seen.failure.subject)


def cdi(facts: ClusterFacts) -> Result:
    """No node was asked for a CDI device that it does not know."""
    seen = list(_seen(facts, FailureKind.CDI_UNRESOLVED))
    return fails_on(map(_line, seen), *(cdi_fix(item.failure.subject) for item in seen[:1]))


def library(facts: ClusterFacts) -> Result:
    """No node lacks a file of the driver that was mounted."""
    seen = [
        item
        for item in _seen(facts, FailureKind.HOST_PATH_TYPE)
        if _is_ours(item) or any(name in item.failure.subject for name in DRIVER_FILES)
    ]
    package = "install the driver's missing package on the node"
    ours = f"gpu-injector mounted this file: {package}, or correct `drivers` and `libraries` in the policy"
    other = f"the pod's author mounted this file: {package}, or remove the mount"
    return fails_on(map(_line, seen), *(ours if _is_ours(item) else other for item in seen[:1]))


def _is_ours(seen: Seen) -> bool:
    return seen.failure.volume.startswith(VOLUME_PREFIX)


def no_class(facts: ClusterFacts) -> Result:
    """No pod was rejected because its class does not exist."""
    seen = list(_seen(facts, FailureKind.CLASS_NOT_FOUND))
    return fails_on(map(_line, seen), *(missing_class_fix(item.failure.subject) for item in seen[:1]))


def allocation(facts: ClusterFacts) -> Result:
    """No kubelet failed to get devices from the plugin."""
    pods = {f"Pod {full_name(pod)}" for pod in known(facts.gpu_pods)}
    found = _seen(facts, *ALLOCATION_KINDS)
    seen = [item for item in found if _names_gpu(facts, item.message) or item.of in pods]
    return fails_on(map(_line, seen), *(fix_for(item.failure, item.namespace) for item in seen[:1]))


def xid(facts: ClusterFacts) -> Result:
    """No event reports an error of a GPU (Xid), or a GPU that the driver lost."""
    seen = list(_seen(facts, FailureKind.XID, FailureKind.GPU_LOST))
    return fails_on(map(_line, seen), *(fix_for(item.failure, item.namespace) for item in seen[:1]))


def claim(facts: ClusterFacts) -> Result:
    """No DRA driver failed to prepare a device."""
    seen = list(_seen(facts, FailureKind.DEVICE_CLAIM, FailureKind.CLAIM_DRIVER))
    return fails_on(map(_line, seen), *(fix_for(item.failure, item.namespace) for item in seen[:1]))


def hook(facts: ClusterFacts) -> Result:
    """NVIDIA's runtime did not fail while it prepared a container."""
    seen = list(_seen(facts, *HOOK_KINDS))
    return fails_on(map(_line, seen), *(fix_for(item.failure, item.namespace) for item in seen[:1]))


def start(facts: ClusterFacts) -> Result:
    """No volume covers a place where a library of the driver is mounted."""
    kinds = (FailureKind.MOUNT_TARGET, FailureKind.READ_ONLY_HOST)
    seen = [item for item in _seen(facts, *kinds) if any(name in item.message for name in DRIVER_FILES)]
    return fails_on(map(_line, seen), *(fix_for(item.failure, item.namespace) for item in seen[:1]))


def refused(facts: ClusterFacts) -> Result:
    """No GPU pod was refused at its creation: by a quota, or by admission control."""
    seen = [
        item
        for item in _seen(facts, *REFUSALS)
        if _names_gpu(facts, item.message) or any(word in item.message for word in OUR_WORDS) or _is_of_gpus(item)
    ]
    return fails_on(map(_line, seen), *(_refusal_fix(item) for item in seen[:1]))


def _is_of_gpus(seen: Seen) -> bool:
    return is_of_gpus(seen.of)


def _refusal_fix(seen: Seen) -> str:
    fix = fix_for(seen.failure, seen.namespace)
    ours = any(word in seen.message for word in OUR_WORDS)
    stop = f"; until then: kubectl label namespace {seen.namespace} gpu-injector.io/inject=dry-run --overwrite"
    return fix + (stop if ours else "")


def _names_gpu(facts: ClusterFacts, message: str) -> bool:
    return any(pattern.rstrip("*") in message for pattern in facts.policy.resources)


def _seen(facts: ClusterFacts, *kinds: FailureKind) -> Iterator[Seen]:
    """Yield the events that name such a cause, one for each object; not for pods that became Ready since."""
    reported = set()
    for event in known(facts.events):
        message = text(event.get("message"))
        failure = failure_of(message, text(event.get("reason")))
        if failure is None or failure.kind not in kinds:
            continue
        seen = _of(event, message, failure)
        if seen.of not in reported and not is_resolved(facts, event):
            reported.add(seen.of)
            yield seen


def _of(event: ApiObject, message: str, failure: Failure) -> Seen:
    about = mapping(event.get("involvedObject"))
    # A node has no namespace.
    name = "/".join(filter(None, (text(about.get("namespace")), text(about.get("name")))))
    of = f"{text(about.get('kind'))} {name}"
    node = text(mapping(event.get("source")).get("host") or event.get("reportingInstance"))
    return Seen(of, text(about.get("namespace")), node, message, failure)


def _line(seen: Seen) -> str:
    where = f" on {seen.node}" if seen.node else ""
    message = " ".join(seen.message.split())
    return f"{seen.of}{where}: {message if len(message) <= LONGEST else '…' + message[-LONGEST:]}"


CATEGORY = Category(
    "events of the last hour",
    (
        Check("event-no-runtime", "no node lacked a runtime", no_runtime),
        Check("event-cdi", "no node lacked a CDI device", cdi),
        Check("event-library", "no node lacked a file of the driver", library),
        Check("event-no-class", "no pod was rejected for its class", no_class),
        Check("event-allocation", "no kubelet failed to get a device", allocation),
        Check("event-xid", "no event reports an error of a GPU", xid),
        Check("event-claim", "no DRA driver failed to prepare a device", claim),
        Check("event-mount", "no volume covers a library of the driver", start),
        Check("event-refused", "no GPU pod was refused at its creation", refused),
        Check("event-runtime-hook", "NVIDIA's runtime did not fail", hook),
    ),
)
