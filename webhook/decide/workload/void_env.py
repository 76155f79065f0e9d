"""The entry ``NVIDIA_VISIBLE_DEVICES=void``: it hides GPUs from the containers that request none."""

from collections.abc import Iterable, Iterator

from webhook.decide.patch import Operation, add_items
from webhook.decide.pod import Container

VISIBLE_DEVICES = "NVIDIA_VISIBLE_DEVICES"


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
        yield from set_variable(container, VISIBLE_DEVICES, "void")


def set_variable(container: Container, name: str, value: str) -> Iterator[Operation]:
    """Add a variable to a container."""
    yield from add_items(container.pointer + "/env", container.spec.get("env"), [{"name": name, "value": value}])
