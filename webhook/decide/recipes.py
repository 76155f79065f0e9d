"""What ``bootstrap`` writes into a plugin's pod: the class, or what NVML needs. Only what the pod lacks."""

from collections.abc import Iterable, Iterator, Mapping
from posixpath import normpath
from typing import Any

from webhook.decide.mount import DEVICES_MOUNT, DEVICES_VOLUME, meets, mount_paths, privileged_operations
from webhook.decide.patch import Operation, add, add_items, at
from webhook.decide.pod import Container, Pod, runtime_class_name
from webhook.policy.model import Policy
from webhook.raw import items, mapping, text
from webhook.view.plugin_projections import BOOTSTRAP_VOLUME, Role, sets_device_specs

LIBRARY_DIRECTORY = "/usr/local/lib"
LIBRARY_PLACE = f"{LIBRARY_DIRECTORY}/libnvidia-ml.so.1"
SEARCH_PATH = "LD_LIBRARY_PATH"
DEVICE_SPECS = "PASS_DEVICE_SPECS"


def class_operations(pod: Pod, policy: Policy) -> Iterator[Operation]:
    """Run the plugin under the NVIDIA runtime: no privilege is added."""
    if not runtime_class_name(pod):
        yield add("/spec/runtimeClassName", policy.runtime_class)


def nvml_operations(pod: Pod, containers: Iterable[Container], library: str, role: Role) -> Iterator[Operation]:
    """Give the plugin's containers NVML and the devices; ``library`` is the file on the host."""
    # Without a type the runtime would make a directory of that name on a host that lacks the file.
    wanted: list[Mapping[str, Any]] = [
        {"name": BOOTSTRAP_VOLUME, "hostPath": {"path": library, "type": "File"}},
        DEVICES_VOLUME,
    ]
    present = mapping(pod.get("spec")).get("volumes")
    names = {text(volume.get("name")) for volume in items(present)}
    yield from add_items("/spec/volumes", present, [volume for volume in wanted if volume["name"] not in names])
    for container in containers:
        yield from privileged_operations(container)
        yield from _mounts(container)
        yield from _variables(container, role)


def carries_nvml(pod: Pod, library: str) -> bool:
    """Say whether a pod has the volume that the recipe would add."""
    wanted = {"path": library, "type": "File"}
    volumes = items(mapping(pod.get("spec")).get("volumes"))
    return any(volume.get("name") == BOOTSTRAP_VOLUME and volume.get("hostPath") == wanted for volume in volumes)


def is_library_place_taken(container: Container) -> bool:
    """Say whether the author mounts something at the library's place, above it or below it."""
    return meets(mount_paths(container), LIBRARY_PLACE)


def _mounts(container: Container) -> Iterator[Operation]:
    present = container.spec.get("volumeMounts")
    taken = {normpath(text(mount.get("mountPath"))) for mount in items(present)}
    wanted: list[Mapping[str, Any]] = [
        {"name": BOOTSTRAP_VOLUME, "mountPath": LIBRARY_PLACE, "readOnly": True},
        DEVICES_MOUNT,
    ]
    new = [mount for mount in wanted if mount["mountPath"] not in taken]
    yield from add_items(at(container.pointer, "volumeMounts"), present, new)


def _variables(container: Container, role: Role) -> Iterator[Operation]:
    present, pointer = container.spec.get("env"), at(container.pointer, "env")
    new = []
    if not any(variable.get("name") == SEARCH_PATH for variable in items(present)):
        new.append({"name": SEARCH_PATH, "value": LIBRARY_DIRECTORY})
    if role is Role.DEVICE_PLUGIN and not sets_device_specs(container.spec):
        new.append({"name": DEVICE_SPECS, "value": "true"})
    for index, variable in enumerate(present if isinstance(present, list) else ()):
        if (
            isinstance(variable, dict)
            and variable.get("name") == SEARCH_PATH
            and isinstance(variable.get("value"), str)
        ):
            yield from _extended(at(pointer, index, "value"), variable["value"])
    yield from add_items(pointer, present, new)


def _extended(pointer: str, path: str) -> Iterator[Operation]:
    if LIBRARY_DIRECTORY not in path.split(":"):
        yield add(pointer, f"{path}:{LIBRARY_DIRECTORY}" if path else LIBRARY_DIRECTORY)
