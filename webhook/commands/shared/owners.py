"""What stands above an object of a live cluster: its controller, that one's controller, and so on."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from webhook.cluster.listing import Api, RefusedError, get
from webhook.kube.metadata import controlling_owner, metadata
from webhook.kube.values import items, mapping, text

# A job of a workflow of an application: more levels than this nobody has.
HIGHEST = 5

Owner = Mapping[str, Any]


class Owners:
    """Looks up controllers, each once; those that may not be read, or are gone, are told to ``refused``.

    Kinds are unknown beforehand: the API server's discovery says how each is called in a path.
    Source: https://kubernetes.io/docs/concepts/overview/kubernetes-api/#discovery-api
    """

    def __init__(self, refused: Callable[[str], None]) -> None:
        self._refused = refused
        self._found: dict[str, Mapping[str, Any] | None] = {}
        self._resources: dict[str, Mapping[str, Mapping[str, Any]]] = {}

    async def above(self, api: Api, item: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        """Return the controllers above an object, the nearest first. Raises ``OSError`` when no answer came."""
        found: list[Mapping[str, Any]] = []
        namespace = text(metadata(item).get("namespace"))
        while len(found) < HIGHEST and (owner := _controller(item)):
            above = await self._owner(api, owner, namespace)
            if above is None:
                break
            found.append(above)
            item = above
        return found

    async def _owner(self, api: Api, owner: Owner, namespace: str) -> Mapping[str, Any] | None:
        key = f"{owner.get('apiVersion')} {owner.get('kind')} {namespace}/{owner.get('name')}"
        if key not in self._found:
            try:
                self._found[key] = await self._read(api, owner, namespace)
                why = "not found"
            except RefusedError as refused:
                self._found[key], why = None, str(refused)
            if self._found[key] is None:
                self._refused(f"{owner.get('kind')} {namespace}/{owner.get('name')} ({why})")
        return self._found[key]

    async def _read(self, api: Api, owner: Owner, namespace: str) -> Mapping[str, Any] | None:
        version = text(owner.get("apiVersion"))
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        if root not in self._resources:
            listed = items((await get(api, root) or {}).get("resources"))
            # `pods/status` and the like have their object's kind, too.
            self._resources[root] = {text(one.get("kind")): one for one in listed if "/" not in text(one.get("name"))}
        resource = mapping(self._resources[root].get(text(owner.get("kind"))))
        if not resource:
            return None
        where = f"/namespaces/{namespace}" if resource.get("namespaced") else ""
        return await get(api, f"{root}{where}/{resource['name']}/{owner.get('name')}")


def _controller(item: Mapping[str, Any]) -> Owner | None:
    return controlling_owner(item) or None
