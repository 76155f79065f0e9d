"""What a probe's answer means. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from webhook.kube.values import empty_mapping, mapping, text

# The device cgroup, or the file's mode, lets the container not open it.
REFUSED = ("EPERM", "EACCES")
GPU_NODE = "/dev/nvidia"


class State(StrEnum):
    """Whether a node's GPU works in a pod; ``unknown`` where no pod could show it."""

    WORKS = "works"
    FAILS = "fails"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Proof:
    """What was found on one node: the state, why, the webhook's decision about the pod, and the probe's answer."""

    node: str
    state: State
    why: tuple[str, ...] = ()
    decision: str = ""
    answer: Mapping[str, Any] = field(default_factory=empty_mapping)


def judge(node: str, answer: Mapping[str, Any], decision: str) -> Proof:
    """Return what an answer proves about a node. The pod had requested one GPU."""
    why = tuple(_troubles(answer))
    return Proof(node, State.FAILS if why else State.WORKS, why, decision, answer)


def _troubles(answer: Mapping[str, Any]) -> Iterator[str]:
    for name, title in (("nvml", "NVML"), ("cuda", "CUDA")):
        found = mapping(answer.get(name))
        count = found.get("devices")
        if found.get("error") or not isinstance(count, int):
            yield f"{title}: {text(found.get('error')) or 'no answer'}"
        elif count != 1:
            yield f"{title} sees {count} GPUs; the pod requested 1"
    devices = mapping(answer.get("devices"))
    if not any(path.removeprefix(GPU_NODE).isdecimal() for path in devices):
        yield "no /dev/nvidia* of a GPU is there"
    for path, opened in devices.items():
        # ENXIO and the like are for NVML and CUDA to judge, which open it, too.
        if opened in REFUSED:
            yield f"{path}: {opened}"
