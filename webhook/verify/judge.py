"""Judges the answer of a probe. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from webhook.kube.values import empty_mapping, mapping, text

# The device cgroup or the file mode prevents the container from opening it.
REFUSED = ("EPERM", "EACCES")
GPU_NODE = "/dev/nvidia"


class GpuState(StrEnum):
    """Whether a node's GPU works in a pod; ``unknown`` if no pod could show it."""

    WORKS = "works"
    FAILS = "fails"
    UNKNOWN = "unknown"


class Problem(NamedTuple):
    """Why the GPU of a node does not work, or why that is unknown: a word for programs, and a sentence."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """The result of one node: the state, why, the webhook's decision about the pod, and the probe's answer."""

    node: str
    state: GpuState
    why: tuple["Problem", ...] = ()
    decision: str = ""
    answer: Mapping[str, Any] = field(default_factory=empty_mapping)


def judge(node: str, answer: Mapping[str, Any], decision: str) -> ProbeResult:
    """Return the result for a node from its probe's answer. The pod had requested one GPU."""
    why = tuple(_problems(answer))
    return ProbeResult(node, GpuState.FAILS if why else GpuState.WORKS, why, decision, answer)


def _problems(answer: Mapping[str, Any]) -> Iterator[Problem]:
    for name, title in (("nvml", "NVML"), ("cuda", "CUDA")):
        found = mapping(answer.get(name))
        count = found.get("devices")
        if found.get("error") or not isinstance(count, int):
            yield Problem(f"{name}-failed", f"{title}: {text(found.get('error')) or 'no answer'}")
        elif count != 1:
            yield Problem(f"{name}-count", f"{title} sees {count} GPUs; the pod requested 1")
    devices = mapping(answer.get("devices"))
    if not any(path.removeprefix(GPU_NODE).isdecimal() for path in devices):
        yield Problem("no-device", "no /dev/nvidia* of a GPU exists")
    for path, opened in devices.items():
        # Other errors, such as ENXIO, show in NVML and CUDA, which open the device too.
        if opened in REFUSED:
            yield Problem("device-refused", f"{path}: {opened}")
