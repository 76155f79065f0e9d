"""What kubectl calls a kind (``deploy``, ``rayclusters.ray.io``), and where the API server has its objects.

The built-in kinds are known; any other is looked for as kubectl does, in what the API server says that it serves.
Source: https://kubernetes.io/docs/concepts/overview/kubernetes-api/#discovery-api
"""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

from webhook.cluster.listing import Api, RefusedError, get
from webhook.commands.shared.input_files import InputError
from webhook.kube.values import EMPTY, elements, items, mapping, text
from webhook.view.live_view import GROUPS_PATH

BUILT_IN = {
    ("pod", "pods", "po"): "/api/v1/namespaces/{}/pods",
    ("deployment", "deployments", "deploy"): "/apis/apps/v1/namespaces/{}/deployments",
    ("statefulset", "statefulsets", "sts"): "/apis/apps/v1/namespaces/{}/statefulsets",
    ("daemonset", "daemonsets", "ds"): "/apis/apps/v1/namespaces/{}/daemonsets",
    ("replicaset", "replicasets", "rs"): "/apis/apps/v1/namespaces/{}/replicasets",
    ("replicationcontroller", "replicationcontrollers", "rc"): "/api/v1/namespaces/{}/replicationcontrollers",
    ("job", "jobs"): "/apis/batch/v1/namespaces/{}/jobs",
    ("cronjob", "cronjobs", "cj"): "/apis/batch/v1/namespaces/{}/cronjobs",
}


async def find_object(api: Api, thing: str, namespace: str) -> dict[str, Any]:
    """Return the object that ``KIND/NAME`` names. Raises InputError where there is none, or it may not be read."""
    word, _, name = thing.partition("/")
    if not word or not name or "/" in name:
        raise InputError(f"{thing}: name it as KIND/NAME, such as pod/trainer-0 or deploy/trainer")
    try:
        item = await get(api, f"{await _collection(api, word.lower(), namespace)}/{name}")
    except RefusedError as refused:
        raise InputError(f"{thing}: the API server answered {refused}") from refused
    if item is None:
        raise InputError(f"{thing}: not found in namespace {namespace}")
    return item


async def _collection(api: Api, word: str, namespace: str) -> str:
    known = next((path for words, path in BUILT_IN.items() if word in words), None)
    if known:
        return known.format(namespace)
    groups = items((await get(api, GROUPS_PATH) or EMPTY).get("groups"))
    versions = [text(mapping(group.get("preferredVersion")).get("groupVersion")) for group in groups]
    served = zip(versions, await asyncio.gather(*(_resources(api, version) for version in versions)), strict=True)
    found = [(version, resource) for version, some in served for resource in some if word in _names(version, resource)]
    if not found:
        raise InputError(f'the API server has no kind "{word}"; name one of its pods instead: pod/NAME')
    version, resource = found[0]
    if resource.get("namespaced") is not True:
        raise InputError(f'"{word}" is of no namespace, so it has no pods; name what makes them')
    return f"{GROUPS_PATH}/{version}/namespaces/{namespace}/{text(resource.get('name'))}"


async def _resources(api: Api, version: str) -> list[Mapping[str, Any]]:
    try:
        return list(items((await get(api, f"{GROUPS_PATH}/{version}") or EMPTY).get("resources")))
    except RefusedError:
        # An aggregated API that is away hides its own kinds alone.
        return []


def _names(version: str, resource: Mapping[str, Any]) -> Iterator[str]:
    plural, kind = text(resource.get("name")), text(resource.get("kind")).lower()
    group, _, number = version.partition("/")
    yield from (plural, kind, f"{plural}.{group}", f"{kind}.{group}", f"{plural}.{number}.{group}")
    yield from map(text, elements(resource.get("shortNames")))
