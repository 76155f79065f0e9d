"""The patch of ``mount``: the driver's libraries as single read-only files, and nothing else of the host."""

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, count
from typing import Any

from webhook.decide.added_volumes import AddedVolumes, separate
from webhook.decide.devices import DEVICES, DEVICES_VOLUME, privileged_operations
from webhook.decide.patch import Operation
from webhook.decide.pod import Container, Pod
from webhook.decide.pod import containers as pod_containers
from webhook.kube.containers import meets, mount_paths
from webhook.kube.values import items, mapping, text
from webhook.names import DEVICES_VOLUME_NAME, VOLUME_PREFIX
from webhook.nvidia.driver_directory import HostDriver
from webhook.nvidia.own_driver_mounts import HostFile
from webhook.policy.model import Policy

DEFAULT_LIBRARIES = ("libcuda.so.1", "libnvidia-ml.so.1", "libnvidia-ptxjitcompiler.so.1")
VERSION_PLACEHOLDER = "{driver_version}"


def needs_version(policy: Policy) -> bool:
    """Say whether the name of one of the policy's libraries contains the driver's version."""
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
    taken = mount_paths(container.spec)
    return any(all(meets(taken, place) for place in file.places) for file in files)


def mount_operations(
    pod: Pod, containers: Iterable[Container], files: Iterable[HostFile], policy: Policy
) -> Iterator[Operation]:
    """Mount the files into the containers that request a GPU, and the devices if the policy wants them that way."""
    added = library_volumes(pod, containers, files, policy)
    yield from added.volume_operations(pod)
    for container in containers:
        if policy.devices == "privileged":
            yield from privileged_operations(container)
        yield from added.mount_operations(container)


def library_volumes(
    pod: Pod, containers: Iterable[Container], files: Iterable[HostFile], policy: Policy
) -> AddedVolumes:
    """Return the volumes and mounts that the containers of a pod without ours need."""
    present, volumes = _volumes(pod), dict[HostFile, Mapping[str, Any]]()
    for file in files:
        # Two files may shorten to one name, and the API server rejects a pod that gives a name twice.
        volumes[file] = _volume(file, [*present, *volumes.values()])
    mounts = [
        {"name": volume["name"], "mountPath": place, "readOnly": True}
        for file, volume in volumes.items()
        for place in file.places
    ]
    devices = [_named(DEVICES_VOLUME, present)] if policy.devices == "privileged" else []
    new = tuple(volume for volume in (*volumes.values(), *devices) if volume not in present)
    return AddedVolumes(new, {item.pointer: tuple(_mounts(item, mounts, devices)) for item in containers})


def carries_mount(pod: Pod, files: tuple[HostFile, ...], policy: Policy) -> bool:
    """Say whether a pod contains exactly what ``mount`` writes: each volume, mount and field, and no other of ours."""
    bare, present = separate(pod, is_our_volume)
    found = [item for item in pod_containers(bare, policy) if item.requests_gpu]
    missing = any(any(privileged_operations(item)) for item in found) if policy.devices == "privileged" else False
    return not missing and present.is_same_as(library_volumes(bare, found, files, policy))


def _mounts(
    container: Container, mounts: Iterable[Mapping[str, Any]], devices: Iterable[Mapping[str, Any]]
) -> Iterator[Mapping[str, Any]]:
    taken = mount_paths(container.spec)
    yield from (mount for mount in mounts if not meets(taken, text(mount.get("mountPath"))))
    yield from ({"name": volume["name"], "mountPath": DEVICES} for volume in devices if DEVICES not in taken)


def _volumes(pod: Pod) -> list[Mapping[str, Any]]:
    return list(items(mapping(pod.get("spec")).get("volumes")))


def _volume(file: HostFile, present: list[Mapping[str, Any]]) -> Mapping[str, Any]:
    name = VOLUME_PREFIX + re.sub(r"[^a-z0-9]+", "-", file.path.rpartition("/")[2].lower())[:40].strip("-")
    # Without a type the runtime would create a directory of that name on a host that lacks the file.
    return _named({"name": name, "hostPath": {"path": file.path, "type": "File"}}, present)


def _named(volume: Mapping[str, Any], present: list[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return a volume under a name that no other volume of the pod has; the one of the pod that is this one."""
    taken = [other.get("name") for other in present]
    names = chain([volume["name"]], (f"{volume['name']}-{number}" for number in count(2)))
    free = ({**volume, "name": name} for name in names)
    return next(named for named in free if named in present or named["name"] not in taken)


def is_our_volume(volume: Mapping[str, Any]) -> bool:
    """Say whether a volume looks like one of ours. Anyone can write such a volume: it proves nothing by itself."""
    name, host_path = text(volume.get("name")), mapping(volume.get("hostPath"))
    if name.startswith(DEVICES_VOLUME_NAME) and host_path.get("path") == DEVICES:
        return True
    return name.startswith(VOLUME_PREFIX) and host_path.get("type") == "File"
