"""The containers of pods: what they mount of the host, where they mount it, and why they wait."""

from collections.abc import Iterable, Iterator, Mapping
from posixpath import normpath
from typing import Any

from webhook.kube.values import items, mapping, text


def waiting_state(status: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return why a container waits (``reason``, ``message``), from one container status; empty if it does not."""
    return mapping(mapping(status.get("state")).get("waiting"))


def last_end(status: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return how a container's run before ended (``reason``, ``message``), empty where nothing is known."""
    return mapping(mapping(status.get("lastState")).get("terminated"))


def host_paths(spec: Mapping[str, Any], container: Mapping[str, Any]) -> Iterator[str]:
    """Yield the paths of the host that a container of a pod's spec mounts, parts of a volume (``subPath``) too."""
    return (path for path, _ in host_mounts(spec, container))


def host_mounts(spec: Mapping[str, Any], container: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the same paths, each with its mount."""
    return mounts_of(host_volumes(spec), container)


def host_volumes(spec: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the paths of a pod's hostPath volumes, by the volumes' names."""
    return {
        text(volume.get("name")): text(mapping(volume.get("hostPath")).get("path"))
        for volume in items(spec.get("volumes"))
        if isinstance(volume.get("hostPath"), dict)
    }


def mounts_of(volumes: Mapping[str, str], container: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the same, of volumes that were read once for all containers of a pod."""
    for mount in items(container.get("volumeMounts")):
        path = volumes.get(text(mount.get("name")))
        if path is not None:
            part = text(mount.get("subPath"))
            yield (f"{path.rstrip('/')}/{part}" if part else path), mount


def mount_paths(container: Mapping[str, Any]) -> list[str]:
    """Return the paths at which a container mounts something, normalised."""
    paths = (text(mount.get("mountPath")) for mount in items(container.get("volumeMounts")))
    return ["/" + normpath(path).lstrip("/") for path in paths if path]


def meets(taken: Iterable[str], place: str) -> bool:
    """Say whether a mount is at a place, above it (except the root) or below it: a file there might not start."""
    return any(
        path == place or place.startswith(path + "/") or path.startswith(place + "/") for path in taken if path != "/"
    )
