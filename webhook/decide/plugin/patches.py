"""The patches of ``bootstrap``: the RuntimeClass, or NVML with devices and privileges. Only what the pod lacks."""

from collections.abc import Iterable, Iterator, Mapping
from posixpath import normpath
from typing import Any

from webhook.decide.added_volumes import AddedVolumes
from webhook.decide.devices import DEVICES_MOUNT, DEVICES_VOLUME, DEVICES_VOLUME_NAME, privileged_operations
from webhook.decide.patch import Operation, add, add_items
from webhook.decide.pod import Container, Pod, runtime_class_name
from webhook.kube.containers import meets, mount_paths
from webhook.kube.values import at, items, text
from webhook.nvidia.known_plugins import Role
from webhook.nvidia.plugin_settings import sets_device_specs
from webhook.policy.model import Policy
from webhook.view.plugin_projections import BOOTSTRAP_VOLUME

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
    added = nvml_volumes(containers, library)
    yield from added.volume_operations(pod)
    for container in containers:
        yield from privileged_operations(container)
        yield from added.mount_operations(container)
        yield from _variables(container, role)


def nvml_volumes(containers: Iterable[Container], library: str) -> AddedVolumes:
    """Return the volumes and mounts of NVML and the devices."""
    # Without a type the runtime would create a directory of that name on a host that lacks the file.
    nvml = {"name": BOOTSTRAP_VOLUME, "hostPath": {"path": library, "type": "File"}}
    return AddedVolumes((nvml, DEVICES_VOLUME), {item.pointer: tuple(_mounts(item)) for item in containers})


def carries_nvml(containers: Iterable[Container], present: AddedVolumes, library: str, role: Role) -> bool:
    """Say whether a pod contains exactly what the recipe writes.

    ``containers`` are the plugin's without our mounts, ``present`` are our volumes and mounts that the pod has.
    """
    missing = (any((*privileged_operations(item), *_variables(item, role))) for item in containers)
    return not any(missing) and present.is_same_as(nvml_volumes(containers, library))


def is_nvml_volume(volume: Mapping[str, Any]) -> bool:
    """Say whether a volume has the name of one that the recipe adds."""
    return volume.get("name") in (BOOTSTRAP_VOLUME, DEVICES_VOLUME_NAME)


def taken_names(spec: Mapping[str, Any]) -> list[str]:
    """Return which names of our volumes the author's own volumes have."""
    return [volume["name"] for volume in items(spec.get("volumes")) if is_nvml_volume(volume)]


def is_library_place_taken(container: Container) -> bool:
    """Say whether the author mounts something at the library's place, above it or below it."""
    return meets(mount_paths(container.spec), LIBRARY_PLACE)


def _mounts(container: Container) -> Iterator[Mapping[str, Any]]:
    taken = {normpath(text(mount.get("mountPath"))) for mount in items(container.spec.get("volumeMounts"))}
    wanted: tuple[Mapping[str, Any], ...] = (
        {"name": BOOTSTRAP_VOLUME, "mountPath": LIBRARY_PLACE, "readOnly": True},
        DEVICES_MOUNT,
    )
    return (mount for mount in wanted if mount["mountPath"] not in taken)


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
