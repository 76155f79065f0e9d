"""What the kubelets and controllers say of pods that do not start, mapped to its cause."""

from collections.abc import Iterator
from dataclasses import dataclass

from webhook.doctor.check import Category, Check, Result, fails_on
from webhook.doctor.checks.check_runtime_class import missing_class_fix
from webhook.doctor.cluster_facts import ApiObject, CannotTellError, Facts, known
from webhook.doctor.runtime_setup import handler_fix
from webhook.kube.values import mapping, text
from webhook.nvidia.failure_messages import Failure, FailureKind, failure_of

LONGEST = 200
# Programs of NVIDIA's runtime that fail while they prepare a container.
HOOK_KINDS = (
    FailureKind.CONTAINER_CLI,
    FailureKind.RUNTIME_MISSING,
    FailureKind.RUNTIME_FAILED,
    FailureKind.CDI_HOOK_MISSING,
)
DRIVER_FILES = ("nvidia", "libcuda")


@dataclass(frozen=True, slots=True)
class Seen:
    """An event whose text tells a cause: of which object, from which node, what it says and what was found in it."""

    of: str
    node: str
    message: str
    found: str


def no_runtime(facts: Facts) -> Result:
    """No node was asked for a runtime that it does not have."""
    seen = list(_seen(facts, FailureKind.HANDLER_UNKNOWN))
    return fails_on(map(_line, seen), *(_handler_fix(facts, seen[0]) if seen else ()))


def _handler_fix(facts: Facts, seen: Seen) -> tuple[str, ...]:
    try:
        return handler_fix(facts.node(seen.node), seen.found)
    except CannotTellError:
        return handler_fix({}, seen.found)


def cdi(facts: Facts) -> Result:
    """No node was asked for a CDI device that it does not know."""
    seen = list(_seen(facts, FailureKind.CDI_UNRESOLVED))
    return fails_on(map(_line, seen), *(_cdi_fix(item.found) for item in seen[:1]))


def _cdi_fix(device: str) -> str:
    if device.startswith("management."):
        return "the GPU Operator hands GPUs out by CDI: remove runtimeClassName from the pod"
    if device.endswith("=none"):
        return "set NVIDIA_VISIBLE_DEVICES=void, not none"
    return "on the node: nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml"


def library(facts: Facts) -> Result:
    """No node lacks a file of the driver that was mounted."""
    return fails_on(
        (
            _line(seen)
            for seen in _seen(facts, FailureKind.HOST_PATH_TYPE)
            if any(name in seen.found for name in DRIVER_FILES)
        ),
        "install the driver's missing package on the node, or correct `drivers` and `libraries` in the policy",
    )


def no_class(facts: Facts) -> Result:
    """No pod was rejected because its class does not exist."""
    seen = list(_seen(facts, FailureKind.CLASS_NOT_FOUND))
    return fails_on(map(_line, seen), *(missing_class_fix(item.found) for item in seen[:1]))


def allocation(facts: Facts) -> Result:
    """No kubelet failed to get devices from the plugin."""
    return fails_on(
        (_line(seen) for seen in _seen(facts, FailureKind.DEVICE_ALLOCATION) if "nvidia" in seen.message),
        "see what the device plugin says: kubectl -n kube-system logs POD",
    )


def hook(facts: Facts) -> Result:
    """NVIDIA's runtime did not fail while it prepared a container."""
    return fails_on(
        map(_line, _seen(facts, *HOOK_KINDS)), "on the node: nvidia-smi; then nvidia-container-cli -d /dev/stderr info"
    )


def _seen(facts: Facts, *kinds: FailureKind) -> Iterator[Seen]:
    """Yield the events that name one of these causes, one for each object."""
    reported = set()
    for event in known(facts.events):
        message = text(event.get("message"))
        failure = failure_of(message, text(event.get("reason")))
        if failure and failure.kind in kinds and (seen := _of(event, message, failure)).of not in reported:
            reported.add(seen.of)
            yield seen


def _of(event: ApiObject, message: str, failure: Failure) -> Seen:
    about = mapping(event.get("involvedObject"))
    of = f"{text(about.get('kind'))} {text(about.get('namespace'))}/{text(about.get('name'))}"
    node = text(mapping(event.get("source")).get("host") or event.get("reportingInstance"))
    return Seen(of, node, message, failure.subject)


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
        Check("event-runtime-hook", "NVIDIA's runtime did not fail", hook),
    ),
)
