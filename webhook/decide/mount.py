"""What ``mount`` writes: the driver's libraries as single read-only files, and nothing else of the host."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, count
from posixpath import normpath
from typing import Any

from webhook.cluster.drivers import HostDriver, is_driver_path
from webhook.decide.patch import Operation, add, add_items, at, remove
from webhook.decide.pod import Container, Pod
from webhook.policy.model import Policy
from webhook.raw import items, mapping, text

DEFAULT_LIBRARIES = ("libcuda.so.1", "libnvidia-ml.so.1", "libnvidia-ptxjitcompiler.so.1")
VERSION_PLACEHOLDER = "{driver_version}"
VOLUME_PREFIX = "gpu-injector-"
DEVICES = "/dev"
DEVICES_VOLUME = {"name": "gpu-injector-dev", "hostPath": {"path": DEVICES}}
DEVICES_MOUNT = {"name": "gpu-injector-dev", "mountPath": DEVICES}


@dataclass(frozen=True, slots=True)
class HostFile:
    """One file of the host's driver, and the places in a container at which programs look for it."""

    path: str
    places: tuple[str, ...]


def needs_version(policy: Policy) -> bool:
    """Say whether a library of the policy carries the driver's version in its name."""
    return any(VERSION_PLACEHOLDER in name for name in policy.libraries)


def host_files(policy: Policy, driver: HostDriver, version: str) -> tuple[HostFile, ...]:
    """Return the files that the policy wants of a driver."""
    # The loader's own directories, of Debian's family and of Red Hat's, and the one on the LD_LIBRARY_PATH of CUDA
    # images, where programs look that load libcuda by themselves.
    places = (f"/usr/lib/{driver.triplet}", "/usr/lib64", "/usr/local/nvidia/lib64")
    names = dict.fromkeys((*DEFAULT_LIBRARIES, *policy.libraries))
    libraries = (name.replace(VERSION_PLACEHOLDER, version) for name in names)
    return (
        *(HostFile(f"{driver.directory}/{name}", tuple(f"{place}/{name}" for place in places)) for name in libraries),
        *(HostFile(f"/usr/bin/{name}", (f"/usr/bin/{name}",)) for name in policy.binaries),
    )


def is_blocked(container: Container, files: Iterable[HostFile]) -> bool:
    """Say whether the author's own mounts leave some file no place in a container."""
    taken = mount_paths(container)
    return any(all(meets(taken, place) for place in file.places) for file in files)


def mount_operations(
    pod: Pod, containers: Iterable[Container], files: Iterable[HostFile], policy: Policy
) -> Iterator[Operation]:
    """Mount the files into the containers, wherever the author's own mounts leave room."""
    present, volumes = _volumes(pod), dict[HostFile, Mapping[str, Any]]()
    for file in files:
        # Two files may shorten to one name, and the API server rejects a pod that gives a name twice.
        volumes[file] = _volume(file, [*present, *volumes.values()])
    mounts = [
        {"name": volume["name"], "mountPath": place, "readOnly": True}
        for file, volume in volumes.items()
        for place in file.places
    ]
    yield from _operations(pod, containers, volumes.values(), mounts, policy)


def own_mounts(pod: Pod) -> list[Mapping[str, Any]]:
    """Return the mounts of volumes of ours that a pod has, each once: what another GPU container of it would lack."""
    spec = mapping(pod.get("spec"))
    names = {text(volume.get("name")) for volume in items(spec.get("volumes")) if _is_ours(volume)}
    found = {
        text(mount.get("mountPath")): mount
        for field in ("initContainers", "containers")
        for container in items(spec.get(field))
        for mount in items(container.get("volumeMounts"))
        if text(mount.get("name")) in names
    }
    return list(found.values())


def remount_operations(pod: Pod, containers: Iterable[Container], policy: Policy) -> Iterator[Operation]:
    """Give containers that came later the mounts that the pod's others have."""
    yield from _operations(pod, containers, (), own_mounts(pod), policy)


def _devices(pod: Pod, policy: Policy) -> list[Mapping[str, Any]]:
    """Return the volume of the host's devices, where the policy wants it."""
    return [_named(DEVICES_VOLUME, _volumes(pod))] if policy.devices == "privileged" else []


def _operations(
    pod: Pod,
    containers: Iterable[Container],
    volumes: Iterable[Mapping[str, Any]],
    mounts: Iterable[Mapping[str, Any]],
    policy: Policy,
) -> Iterator[Operation]:
    present, devices = _volumes(pod), _devices(pod, policy)
    new = [volume for volume in (*volumes, *devices) if volume not in present]
    yield from add_items("/spec/volumes", mapping(pod.get("spec")).get("volumes"), new)
    for container in containers:
        if devices:
            yield from privileged_operations(container)
        yield from _mount_operations(container, mounts, devices)


def _mount_operations(
    container: Container, mounts: Iterable[Mapping[str, Any]], devices: Iterable[Mapping[str, Any]]
) -> Iterator[Operation]:
    taken = mount_paths(container)
    new = [mount for mount in mounts if not meets(taken, text(mount.get("mountPath")))]
    new += [{"name": volume["name"], "mountPath": DEVICES} for volume in devices if DEVICES not in taken]
    yield from add_items(at(container.pointer, "volumeMounts"), container.spec.get("volumeMounts"), new)


def privileged_operations(container: Container) -> Iterator[Operation]:
    """Make a container privileged; every other field of its security context stays."""
    context, pointer = container.spec.get("securityContext"), at(container.pointer, "securityContext")
    if not isinstance(context, dict):
        yield add(pointer, {"privileged": True})
        return
    # The API server refuses the two beside each other.
    if context.get("allowPrivilegeEscalation") is False:
        yield remove(at(pointer, "allowPrivilegeEscalation"))
    if context.get("privileged") is not True:
        yield add(at(pointer, "privileged"), True)


def _volumes(pod: Pod) -> list[Mapping[str, Any]]:
    return list(items(mapping(pod.get("spec")).get("volumes")))


def _volume(file: HostFile, present: list[Mapping[str, Any]]) -> Mapping[str, Any]:
    name = VOLUME_PREFIX + re.sub(r"[^a-z0-9]+", "-", file.path.rpartition("/")[2].lower())[:40].strip("-")
    # Without a type the runtime would make a directory of that name on a host that lacks the file.
    return _named({"name": name, "hostPath": {"path": file.path, "type": "File"}}, present)


def _named(volume: Mapping[str, Any], present: list[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return a volume under a name that no other volume of the pod has; the one of the pod that is this one."""
    taken = [other.get("name") for other in present]
    names = chain([volume["name"]], (f"{volume['name']}-{number}" for number in count(2)))
    free = ({**volume, "name": name} for name in names)
    return next(named for named in free if named in present or named["name"] not in taken)


def _is_ours(volume: Mapping[str, Any]) -> bool:
    host_path = mapping(volume.get("hostPath"))
    path = text(host_path.get("path"))
    return (
        text(volume.get("name")).startswith(VOLUME_PREFIX)
        and host_path.get("type") == "File"
        and (is_driver_path(path) or path.startswith("/usr/bin/nvidia-"))
    )


def mount_paths(container: Container) -> list[str]:
    """Return where a container mounts something, normalised."""
    paths = (text(mount.get("mountPath")) for mount in items(container.spec.get("volumeMounts")))
    return ["/" + normpath(path).lstrip("/") for path in paths if path]


def meets(taken: list[str], place: str) -> bool:
    """Say whether a mount stands at a place, above it (the root aside) or below it: a file there might not start."""
    return any(
        path == place or place.startswith(path + "/") or path.startswith(place + "/") for path in taken if path != "/"
    )
