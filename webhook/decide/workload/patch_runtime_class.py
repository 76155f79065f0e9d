"""The patch of ``inject``: the RuntimeClass, and the variables that hide GPUs from the pod's other containers."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from webhook.decide.patch import Operation, add, add_items
from webhook.decide.pod import Container, Pod, runtime_class_name
from webhook.kube.values import at, items, mapping
from webhook.policy.model import Policy

# Of the taint that keeps other pods away from GPU nodes.
TOLERATION: Mapping[str, Any] = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
VISIBLE_DEVICES = "NVIDIA_VISIBLE_DEVICES"
DRIVER_CAPABILITIES = "NVIDIA_DRIVER_CAPABILITIES"


def inject_operations(pod: Pod, containers: tuple[Container, ...], policy: Policy) -> Iterator[Operation]:
    """Run the pod under the NVIDIA runtime. Yields only what the pod lacks, so a second pass yields nothing."""
    if not runtime_class_name(pod):
        yield add("/spec/runtimeClassName", policy.runtime_class)
    for container in containers:
        if container.requests_gpu:
            yield from _capability_operations(container, policy)
    if policy.add_toleration:
        present = mapping(pod.get("spec")).get("tolerations")
        yield from add_items("/spec/tolerations", present, _tolerations(present))


def hide_operations(containers: Iterable[Container]) -> Iterator[Operation]:
    """Hide the node's GPUs from each container that requests none."""
    for container in containers:
        if not container.requests_gpu:
            yield from void_operations(container)


def gets_void(container: Container) -> bool:
    """Say whether ``hide_operations`` changes a container."""
    return not container.requests_gpu and not container.defines(VISIBLE_DEVICES)


def void_operations(container: Container) -> Iterator[Operation]:
    """Keep a container that requests no GPU away from all of them, unless its author decided otherwise."""
    # Under the NVIDIA runtime a CUDA image, which carries NVIDIA_VISIBLE_DEVICES=all, sees every GPU of the node.
    # "void" hides them; "none" does not start in CDI mode.
    if not container.defines(VISIBLE_DEVICES):
        yield from _set(container, VISIBLE_DEVICES, "void")


def _capability_operations(container: Container, policy: Policy) -> Iterator[Operation]:
    if policy.driver_capabilities and not container.defines(DRIVER_CAPABILITIES):
        yield from _set(container, DRIVER_CAPABILITIES, policy.driver_capabilities)


def _set(container: Container, name: str, value: str) -> Iterator[Operation]:
    yield from add_items(at(container.pointer, "env"), container.spec.get("env"), [{"name": name, "value": value}])


def _tolerations(present: object) -> Iterator[Mapping[str, Any]]:
    if not any(_tolerates(item) for item in items(present)):
        yield TOLERATION


def _tolerates(toleration: Mapping[str, Any]) -> bool:
    return (
        (toleration.get("key") or TOLERATION["key"]) == TOLERATION["key"]
        and toleration.get("operator") == "Exists"
        and (toleration.get("effect") or TOLERATION["effect"]) == TOLERATION["effect"]
    )
