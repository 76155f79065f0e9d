"""What the device plugin says in its log when it finds no GPU."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from webhook.doctor.check import Result, State, fails_on
from webhook.doctor.cluster_facts import Facts
from webhook.doctor.plugin_fixes import cure_for
from webhook.doctor.runtime_setup import Runtime, runtime_of
from webhook.kube.metadata import full_name
from webhook.kube.values import mapping, text
from webhook.nvidia.plugin_messages import LogProblem, find_in_log

NO_LIBRARY = (LogProblem.NO_NVML, LogProblem.CDI_WITHOUT_NVML)
NO_DRIVER = (LogProblem.VERSION_MISMATCH, LogProblem.NO_DRIVER)
# docs/incident.md shows it.
DEFAULT_RUNTIME = (
    "if NVIDIA's runtime should be the default of {node}, run there: containerd config dump | grep default_runtime_name"
    "   (on containerd 1.x a file in conf.d replaces the whole table of config.toml)"
)


def nvml(facts: Facts) -> Result:
    """No plugin says that it cannot load NVML: the incident for which this project exists."""
    found = list(_saying(facts, *NO_LIBRARY))
    troubles = (
        f"device plugin cannot load NVML on {node}: {said}, fix: {cure_for(facts, pod, node)}"
        for pod, node, said in found
    )
    cures = (cure_for(facts, pod, node) for pod, node, _ in found[:1])
    result = fails_on(troubles, *cures, *_about_default_runtime(facts, [(pod, node) for pod, node, _ in found]))
    if result.state is State.PASS or _matters(facts, {node for _, node, _ in found}):
        return result
    # The static manifest runs on every node. Where other nodes work, one without a GPU is the likely cause.
    return Result(State.WARN, result.evidence, result.fix)


def driver(facts: Facts) -> Result:
    """No plugin says that NVML finds no driver: not loaded, or another version than the library."""
    troubles = (f"{node}: {said}" for _, node, said in _saying(facts, *NO_DRIVER))
    return fails_on(troubles, "on the node: nvidia-smi; after an upgrade of the driver reboot it")


def devices(facts: Facts) -> Result:
    """No plugin with NVML says that it finds no devices."""
    blind = {full_name(pod) for pod, _, _ in _saying(facts, *NO_LIBRARY, *NO_DRIVER)}
    troubles = (
        f"{node}: {said}" for pod, node, said in _saying(facts, LogProblem.NO_DEVICES) if full_name(pod) not in blind
    )
    return fails_on(troubles, "on the node: nvidia-smi -L; keep the plugin away from nodes without a GPU")


def _about_default_runtime(facts: Facts, blind: Iterable[tuple[Mapping[str, Any], str]]) -> Iterator[str]:
    """Yield where to look if NVIDIA's runtime is believed to be the default of a node with containerd 1.x."""
    nodes = (node for pod, node in blind if not text(mapping(pod.get("spec")).get("runtimeClassName")))
    old = (node for node in nodes if runtime_of(facts.node(node)) is Runtime.CONTAINERD_1)
    yield from (DEFAULT_RUNTIME.format(node=node) for node in islice(old, 1))


def _saying(facts: Facts, *problems: LogProblem) -> Iterator[tuple[Mapping[str, Any], str, str]]:
    """Yield the plugin pods whose log shows one of these problems: pod, node, and the text."""
    for item, pod in facts.plugins:
        if found := find_in_log(facts.log_of(item), *problems):
            yield item, pod.node, found.text


def _matters(facts: Facts, nodes: set[str]) -> bool:
    gpu_nodes = facts.gpu_nodes
    return bool(nodes & {node.name for node in gpu_nodes}) or not any(map(facts.offers_gpus, gpu_nodes))
