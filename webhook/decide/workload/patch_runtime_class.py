"""The patch of ``inject``: the RuntimeClass, the driver's capabilities and the toleration."""

from collections.abc import Iterator, Mapping
from typing import Any

from webhook.decide.patch import Operation, add, add_items
from webhook.decide.pod import Container, Pod, runtime_class_name
from webhook.decide.workload.void_env import set_variable
from webhook.kube.values import items, mapping
from webhook.policy.model import Policy

# Of the taint that keeps other pods away from GPU nodes.
TOLERATION: Mapping[str, Any] = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
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


def _capability_operations(container: Container, policy: Policy) -> Iterator[Operation]:
    if policy.driver_capabilities and not container.defines(DRIVER_CAPABILITIES):
        yield from set_variable(container, DRIVER_CAPABILITIES, policy.driver_capabilities)


def _tolerations(present: object) -> Iterator[Mapping[str, Any]]:
    if not any(_tolerates(item) for item in items(present)):
        yield TOLERATION


def _tolerates(toleration: Mapping[str, Any]) -> bool:
    return (
        (toleration.get("key") or TOLERATION["key"]) == TOLERATION["key"]
        and toleration.get("operator") == "Exists"
        and (toleration.get("effect") or TOLERATION["effect"]) == TOLERATION["effect"]
    )
