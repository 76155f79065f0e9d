"""What the kubelets and controllers say of pods that do not start, mapped to its cause."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from webhook.doctor.check import Category, Check, Result, fails_on
from webhook.doctor.checks.check_runtime_class import missing_class_fix
from webhook.doctor.cluster_facts import ApiObject, CannotTellError, Facts, known
from webhook.doctor.runtime_setup import handler_fix
from webhook.kube.values import mapping, text

LONGEST = 200
NO_RUNTIME = re.compile(r'no runtime for "([^"]+)" is configured')
CDI = re.compile(r"unresolvable CDI devices? ([^\s:]+)")
LIBRARY = re.compile(r"hostPath type check failed: (\S*(?:nvidia|libcuda)\S*) is not a file")
NO_CLASS = re.compile(r'RuntimeClass "([^"]+)" not found')
ALLOCATION = re.compile(
    r"(?:Allocate failed|no healthy devices|requested number of devices unavailable)[^\n]*nvidia[^\n]*"
)
HOOK = re.compile(r"(?:nvidia-container-cli|nvidia-container-runtime|nvidia-ctk)[^\n]*(?:error|failed)[^\n]*")


@dataclass(frozen=True, slots=True)
class Seen:
    """An event whose text tells a cause: of which object, from which node, what it says and what was found in it."""

    of: str
    node: str
    message: str
    found: str


def no_runtime(facts: Facts) -> Result:
    """No node was asked for a runtime that it does not have."""
    seen = list(_seen(facts, NO_RUNTIME))
    return fails_on(map(_line, seen), *(_handler_fix(facts, seen[0]) if seen else ()))


def _handler_fix(facts: Facts, seen: Seen) -> tuple[str, ...]:
    try:
        return handler_fix(facts.node(seen.node), seen.found)
    except CannotTellError:
        return handler_fix({}, seen.found)


def cdi(facts: Facts) -> Result:
    """No node was asked for a CDI device that it does not know."""
    seen = list(_seen(facts, CDI))
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
        map(_line, _seen(facts, LIBRARY)),
        "install the driver's missing package on the node, or correct `drivers` and `libraries` in the policy",
    )


def no_class(facts: Facts) -> Result:
    """No pod was rejected because its class does not exist."""
    seen = list(_seen(facts, NO_CLASS))
    return fails_on(map(_line, seen), *(missing_class_fix(item.found) for item in seen[:1]))


def allocation(facts: Facts) -> Result:
    """No kubelet failed to get devices from the plugin."""
    return fails_on(
        map(_line, _seen(facts, ALLOCATION)), "see what the device plugin says: kubectl -n kube-system logs POD"
    )


def hook(facts: Facts) -> Result:
    """NVIDIA's runtime did not fail while it prepared a container."""
    return fails_on(
        map(_line, _seen(facts, HOOK)), "on the node: nvidia-smi; then nvidia-container-cli -d /dev/stderr info"
    )


def _seen(facts: Facts, pattern: re.Pattern[str]) -> Iterator[Seen]:
    told = set()
    for event in known(facts.events):
        message = text(event.get("message"))
        found = pattern.search(message)
        if found and (seen := _of(event, message, found)).of not in told:
            told.add(seen.of)
            yield seen


def _of(event: ApiObject, message: str, found: re.Match[str]) -> Seen:
    about = mapping(event.get("involvedObject"))
    of = f"{text(about.get('kind'))} {text(about.get('namespace'))}/{text(about.get('name'))}"
    node = text(mapping(event.get("source")).get("host") or event.get("reportingInstance"))
    return Seen(of, node, message, found[1] if found.re.groups else "")


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
