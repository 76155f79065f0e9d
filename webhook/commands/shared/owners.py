"""The owners of an object of a live cluster: its controller, the controller of that, and so on."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from webhook.kube.metadata import controlling_owner, namespace_of
from webhook.kube.values import items, mapping, text
from webhook.kube_client.api_error import ApiError
from webhook.kube_client.client import KubeClient

# An application owns a workflow, which owns a job: real hierarchies have fewer levels than this.
MAX_OWNER_DEPTH = 5

Owner = Mapping[str, Any]


class Owners:
    """Looks up controllers, each once. ``unread`` are those that could not be read; those that are gone are reported.

    Kinds are not known in advance: the API server's discovery has the plural name of each.
    Source: https://kubernetes.io/docs/concepts/overview/kubernetes-api/#discovery-api
    """

    def __init__(self, report: Callable[[str], None]) -> None:
        self.unread: dict[str, str] = {}
        self._report = report
        self._found: dict[str, Mapping[str, Any] | None] = {}
        self._resources: dict[str, Mapping[str, Mapping[str, Any]]] = {}

    async def above(self, client: KubeClient, item: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        """Return the controllers above an object, the nearest first. Raises ``OSError`` when no answer came."""
        found: list[Mapping[str, Any]] = []
        namespace = namespace_of(item)
        while len(found) < MAX_OWNER_DEPTH and (owner := _controller(item)):
            above = await self._owner(client, owner, namespace)
            if above is None:
                break
            found.append(above)
            item = above
        return found

    async def _owner(self, client: KubeClient, owner: Owner, namespace: str) -> Mapping[str, Any] | None:
        key = f"{owner.get('apiVersion')} {owner.get('kind')} {namespace}/{owner.get('name')}"
        if key not in self._found:
            title = _title(owner, namespace)
            try:
                self._found[key] = await self._read(client, owner, namespace)
                if self._found[key] is None:
                    self._report(f"Not found: {title}")
            except ApiError as error:
                self._found[key] = None
                self.unread[title] = str(error)
                self._report(f"Could not read: {title} ({error})")
        return self._found[key]

    async def _read(self, client: KubeClient, owner: Owner, namespace: str) -> Mapping[str, Any] | None:
        version = text(owner.get("apiVersion"))
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        if root not in self._resources:
            listed = items((await client.find(root) or {}).get("resources"))
            # `pods/status` and the like have their object's kind, too.
            self._resources[root] = {text(one.get("kind")): one for one in listed if "/" not in text(one.get("name"))}
        resource = mapping(self._resources[root].get(text(owner.get("kind"))))
        if not resource:
            return None
        where = f"/namespaces/{namespace}" if resource.get("namespaced") else ""
        return await client.find(f"{root}{where}/{text(resource.get('name'))}/{owner.get('name')}")


def _title(owner: Owner, namespace: str) -> str:
    # A pod's author writes these names, and the output may be comments of a script.
    return " ".join(f"{owner.get('kind')} {namespace}/{owner.get('name')}".split())


def _controller(item: Mapping[str, Any]) -> Owner | None:
    return controlling_owner(item) or None
