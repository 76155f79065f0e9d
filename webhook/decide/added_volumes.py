"""The volumes and mounts that our patches add, and their comparison with those that a pod already has."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from webhook.decide.patch import Operation, add_items
from webhook.decide.pod import Container, Pod
from webhook.kube.values import at, elements, items, mapping, text

Item = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AddedVolumes:
    """Volumes, and the mounts of them by the JSON pointer of their container."""

    volumes: tuple[Item, ...]
    mounts: Mapping[str, tuple[Item, ...]]

    def is_same_as(self, other: "AddedVolumes") -> bool:
        """Say whether both are the same volumes and mounts, in any order and with the API server's defaults."""
        return _plain(self.volumes, "name") == _plain(other.volumes, "name") and (
            _plain_mounts(self.mounts) == _plain_mounts(other.mounts)
        )

    def volume_operations(self, pod: Pod) -> Iterator[Operation]:
        """Add the volumes to a pod."""
        yield from add_items("/spec/volumes", mapping(pod.get("spec")).get("volumes"), self.volumes)

    def mount_operations(self, container: Container) -> Iterator[Operation]:
        """Add a container's mounts to it."""
        new = self.mounts.get(container.pointer, ())
        yield from add_items(at(container.pointer, "volumeMounts"), container.spec.get("volumeMounts"), new)


def separate(pod: Pod, is_ours: Callable[[Item], bool]) -> tuple[Pod, AddedVolumes]:
    """Return the pod without our volumes and their mounts, and these. The pod itself is not changed."""
    spec = mapping(pod.get("spec"))
    ours = tuple(volume for volume in items(spec.get("volumes")) if is_ours(volume))
    names = frozenset(text(volume.get("name")) for volume in ours)
    mounts: dict[str, tuple[Item, ...]] = {}
    rest = dict(spec)
    rest["volumes"] = [item for item in elements(spec.get("volumes")) if not (isinstance(item, dict) and is_ours(item))]
    for field in ("initContainers", "containers"):
        rest[field] = []
        for index, container in enumerate(elements(spec.get(field))):
            found, remaining = _mounts_of(container, names)
            if found:
                mounts[f"/spec/{field}/{index}"] = found
            rest[field].append({**container, "volumeMounts": remaining} if found else container)
    return {**pod, "spec": rest}, AddedVolumes(ours, mounts)


def _mounts_of(container: object, names: frozenset[str]) -> tuple[tuple[Item, ...], list[Any]]:
    """Return a container's mounts of the named volumes, and its other ones."""
    mounts = elements(mapping(container).get("volumeMounts"))
    ours = [isinstance(mount, dict) and text(mount.get("name")) in names for mount in mounts]
    found = tuple(mount for mount, is_ours in zip(mounts, ours, strict=True) if is_ours)
    return found, [mount for mount, is_ours in zip(mounts, ours, strict=True) if not is_ours]


def _plain_mounts(mounts: Mapping[str, tuple[Item, ...]]) -> Mapping[str, list[Item]]:
    return {pointer: _plain(found, "mountPath") for pointer, found in mounts.items() if found}


def _plain(found: Iterable[Item], key: str) -> list[Item]:
    plain = [_without_defaults(item) for item in found]
    return [item for _, item in sorted(((text(item.get(key)), item) for item in plain), key=itemgetter(0))]


def _without_defaults(item: Item) -> Item:
    # The API server gives a hostPath without a type the empty one, and leaves out `readOnly: false`.
    found = {name: value for name, value in item.items() if value not in (None, "", False)}
    host_path = found.get("hostPath")
    return {**found, "hostPath": _without_defaults(host_path)} if isinstance(host_path, dict) else found
