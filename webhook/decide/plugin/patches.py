"""The patches of ``bootstrap``: the RuntimeClass, or NVML with devices and privileges. Only what the pod lacks."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from posixpath import normpath
from typing import Any

from webhook.decide.added_volumes import AddedVolumes, Item
from webhook.decide.devices import DEVICES_MOUNT, DEVICES_VOLUME, privileged_operations
from webhook.decide.patch import Operation, add, add_items
from webhook.decide.pod import Container, Pod, runtime_class_name
from webhook.kube.containers import meets, mount_paths
from webhook.kube.values import at, items, text
from webhook.names import BOOTSTRAP_VOLUME, DEVICES_VOLUME_NAME, ROOT_VOLUME
from webhook.nvidia.known_plugins import Role
from webhook.nvidia.plugin_settings import DISCOVERY_VARIABLE, DRIVER_ROOT, plugin_settings, sets_device_specs
from webhook.nvidia.plugin_support import driver_root_support
from webhook.policy.model import Policy

LIBRARY_DIRECTORY = "/usr/local/lib"
LIBRARY_PLACE = f"{LIBRARY_DIRECTORY}/libnvidia-ml.so.1"
SEARCH_PATH = "LD_LIBRARY_PATH"
DEVICE_SPECS = "PASS_DEVICE_SPECS"
# Never all of the host: that would pin the volumes of other pods until the plugin ends. /usr is there on every host,
# so that it needs no type and the pod starts.
HOST_ROOT = "/usr"
ROOT_PLACE = f"{DRIVER_ROOT}{HOST_ROOT}"
OUR_NAMES = (BOOTSTRAP_VOLUME, ROOT_VOLUME, DEVICES_VOLUME_NAME)

Roles = Mapping[str, Role]


def class_operations(pod: Pod, policy: Policy) -> Iterator[Operation]:
    """Run the plugin under the NVIDIA runtime: no privilege is added."""
    if not runtime_class_name(pod):
        yield add("/spec/runtimeClassName", policy.runtime_class)


@dataclass(frozen=True, slots=True)
class PluginPatch:
    """What a recipe with privileges gives a pod: volumes with their mounts, and variables by container.

    ``containers`` are those that need NVML, without our mounts.
    """

    containers: tuple[Container, ...]
    added: AddedVolumes
    variables: Mapping[str, tuple[Operation, ...]]

    def operations(self, pod: Pod) -> Iterator[Operation]:
        """Give the pod what it lacks."""
        yield from self.added.volume_operations(pod)
        for container in self.containers:
            yield from privileged_operations(container)
            yield from self.added.mount_operations(container)
            yield from self.variables[container.pointer]

    def is_carried(self, present: AddedVolumes) -> bool:
        """Say whether a pod contains exactly this; ``present`` are our volumes and mounts that the pod has."""
        missing = (any((*privileged_operations(item), *self.variables[item.pointer])) for item in self.containers)
        return not any(missing) and present.is_same_as(self.added)


def nvml_patch(containers: tuple[Container, ...], roles: Roles, library: str) -> PluginPatch:
    """Return the patch that mounts NVML; ``library`` is the file on the host."""
    # Without a type the runtime would create a directory of that name on a host that lacks the file.
    volume = {"name": BOOTSTRAP_VOLUME, "hostPath": {"path": library, "type": "File"}}
    mount = {"name": BOOTSTRAP_VOLUME, "mountPath": LIBRARY_PLACE, "readOnly": True}
    variables = {
        item.pointer: (*_extended_search_path(item), *_new_variables(item, _nvml_variables(item, roles[item.pointer])))
        for item in containers
    }
    return PluginPatch(containers, _added(containers, volume, mount), variables)


def driver_root_patch(containers: tuple[Container, ...], roles: Roles) -> PluginPatch:
    """Return the patch that gives the plugin the host's /usr below its driver root."""
    volume = {"name": ROOT_VOLUME, "hostPath": {"path": HOST_ROOT}}
    mount = {"name": ROOT_VOLUME, "mountPath": ROOT_PLACE, "readOnly": True}
    variables = {
        item.pointer: tuple(_new_variables(item, _root_variables(item, roles[item.pointer]))) for item in containers
    }
    return PluginPatch(containers, _added(containers, volume, mount), variables)


def is_plugin_volume(volume: Mapping[str, Any]) -> bool:
    """Say whether a volume has the name of one that a recipe adds."""
    return volume.get("name") in OUR_NAMES


def taken_names(spec: Mapping[str, Any]) -> list[str]:
    """Return which names of our volumes the author's own volumes have."""
    return [volume["name"] for volume in items(spec.get("volumes")) if is_plugin_volume(volume)]


def is_place_taken(container: Container, place: str) -> bool:
    """Say whether the author mounts something at a place, above it or below it."""
    return meets(mount_paths(container.spec), place)


def _added(containers: tuple[Container, ...], volume: Item, mount: Item) -> AddedVolumes:
    return AddedVolumes((volume, DEVICES_VOLUME), {item.pointer: tuple(_mounts(item, mount)) for item in containers})


def _mounts(container: Container, mount: Item) -> Iterator[Item]:
    taken = {normpath(text(own.get("mountPath"))) for own in items(container.spec.get("volumeMounts"))}
    return (wanted for wanted in (mount, DEVICES_MOUNT) if wanted["mountPath"] not in taken)


def _nvml_variables(container: Container, role: Role) -> Iterator[tuple[str, str]]:
    if not _has_variable(container, SEARCH_PATH):
        yield SEARCH_PATH, LIBRARY_DIRECTORY
    yield from _device_specs(container, role)


def _root_variables(container: Container, role: Role) -> Iterator[tuple[str, str]]:
    if strategy := driver_root_support(role, plugin_settings(container.spec)).discovery_strategy:
        yield DISCOVERY_VARIABLE, strategy
    yield from _device_specs(container, role)


def _device_specs(container: Container, role: Role) -> Iterator[tuple[str, str]]:
    if role is Role.DEVICE_PLUGIN and not sets_device_specs(container.spec):
        yield DEVICE_SPECS, "true"


def _has_variable(container: Container, name: str) -> bool:
    return any(variable.get("name") == name for variable in items(container.spec.get("env")))


def _new_variables(container: Container, wanted: Iterator[tuple[str, str]]) -> Iterator[Operation]:
    new = [{"name": name, "value": value} for name, value in wanted]
    yield from add_items(at(container.pointer, "env"), container.spec.get("env"), new)


def _extended_search_path(container: Container) -> Iterator[Operation]:
    present, pointer = container.spec.get("env"), at(container.pointer, "env")
    for index, variable in enumerate(present if isinstance(present, list) else ()):
        if (
            isinstance(variable, dict)
            and variable.get("name") == SEARCH_PATH
            and isinstance(variable.get("value"), str)
        ):
            yield from _extended(at(pointer, index, "value"), variable["value"])


def _extended(pointer: str, path: str) -> Iterator[Operation]:
    if LIBRARY_DIRECTORY not in path.split(":"):
        yield add(pointer, f"{path}:{LIBRARY_DIRECTORY}" if path else LIBRARY_DIRECTORY)
