"""What the device plugin says in its log when it finds no GPU.

Texts of versions 0.14 to 0.20, tried or read.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from webhook.doctor.check import Result, State, fails_on
from webhook.doctor.cluster_facts import Facts
from webhook.doctor.plugin_fixes import cure_for
from webhook.kube.metadata import full_name
from webhook.kube.values import text

NO_LIBRARY = re.compile(
    r"could not load NVML library|(?:[Ff]ailed to initialize NVML: )?ERROR_LIB(?:RARY_NOT_FOUND|NOTFOUND)"
    r"|libnvidia-ml\.so[.\d]*: cannot open|Incompatible (?:platform|strategy) detected|Detected non-NVML platform"
)
NO_DRIVER = re.compile(
    r"Driver/library version mismatch|[Ff]ailed to initialize NVML: (?!ERROR_LIB|could not load)[^\"\n]*"
    r"|ERROR_DRIVER_NOT_LOADED|Driver Not Loaded"
)
NO_DEVICES = re.compile(r"No devices found[^\"\n]*")
LONGEST = 160


def nvml(facts: Facts) -> Result:
    """No plugin says that it cannot load NVML: the incident for which this project exists."""
    found = list(_saying(facts, NO_LIBRARY))
    troubles = (
        f"device plugin cannot load NVML on {node}: {said}, fix: {cure_for(facts, pod, node)}"
        for pod, node, said in found
    )
    result = fails_on(troubles, *(cure_for(facts, pod, node) for pod, node, _ in found[:1]))
    if result.state is State.PASS or _matters(facts, {node for _, node, _ in found}):
        return result
    # The static manifest runs on every node. Where other nodes work, one without a GPU is the likely cause.
    return Result(State.WARN, result.evidence, result.fix)


def driver(facts: Facts) -> Result:
    """No plugin says that NVML finds no driver: not loaded, or another version than the library."""
    troubles = (f"{node}: {said}" for _, node, said in _saying(facts, NO_DRIVER))
    return fails_on(troubles, "on the node: nvidia-smi; after an upgrade of the driver reboot it")


def devices(facts: Facts) -> Result:
    """No plugin with NVML says that it finds no devices."""
    blind = {full_name(pod) for pod, _, _ in (*_saying(facts, NO_LIBRARY), *_saying(facts, NO_DRIVER))}
    troubles = (f"{node}: {said}" for pod, node, said in _saying(facts, NO_DEVICES) if full_name(pod) not in blind)
    return fails_on(troubles, "on the node: nvidia-smi -L; keep the plugin away from nodes without a GPU")


def _saying(facts: Facts, pattern: re.Pattern[str]) -> Iterator[tuple[Mapping[str, Any], str, str]]:
    """Yield the plugin pods in whose log a text stands: pod, node, and the text."""
    for item, pod in facts.plugins:
        found = pattern.search(facts.log_of(item))
        if found:
            yield item, pod.node, " ".join(_line(found).split())[:LONGEST]


def _line(found: re.Match[str]) -> str:
    """Return the line in which a text was found, from the text on: what stands before it are time and place."""
    end = found.string.find("\n", found.start())
    return text(found.string[found.start() : end if end >= 0 else None])


def _matters(facts: Facts, nodes: set[str]) -> bool:
    gpu_nodes = facts.gpu_nodes
    return bool(nodes & {node.name for node in gpu_nodes}) or not any(map(facts.offers_gpus, gpu_nodes))
