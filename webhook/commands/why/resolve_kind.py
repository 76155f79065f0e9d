"""Resolve kubectl's name of a kind (``deploy``, ``rayclusters.ray.io``) to its path in the API server.

The built-in kinds are known; others are looked up in the API server's discovery, as kubectl does.
Source: https://kubernetes.io/docs/concepts/overview/kubernetes-api/#discovery-api
"""

import asyncio
import re
from collections.abc import Iterator, Mapping
from typing import Any

from webhook.commands.shared.cluster import UnreadError
from webhook.commands.shared.input_files import InputError
from webhook.kube.values import EMPTY, elements, items, mapping, text
from webhook.kube_client.api_error import ApiError
from webhook.kube_client.client import KubeClient
from webhook.view.watched_resources import GROUPS_PATH

PODS = ("pod", "pods", "po")
BUILT_IN = {
    PODS: "/api/v1/namespaces/{}/pods",
    ("deployment", "deployments", "deploy"): "/apis/apps/v1/namespaces/{}/deployments",
    ("statefulset", "statefulsets", "sts"): "/apis/apps/v1/namespaces/{}/statefulsets",
    ("daemonset", "daemonsets", "ds"): "/apis/apps/v1/namespaces/{}/daemonsets",
    ("replicaset", "replicasets", "rs"): "/apis/apps/v1/namespaces/{}/replicasets",
    ("replicationcontroller", "replicationcontrollers", "rc"): "/api/v1/namespaces/{}/replicationcontrollers",
    ("job", "jobs"): "/apis/batch/v1/namespaces/{}/jobs",
    ("cronjob", "cronjobs", "cj"): "/apis/batch/v1/namespaces/{}/cronjobs",
}

# What a path of the API server can have as a name. Which names exist, the API server knows.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:-]{0,252}")
NO_KIND = 'no kind "{}" that makes pods is known to the API server; name one of its pods instead: pod/NAME'


async def find_object(client: KubeClient, thing: str, namespace: str) -> dict[str, Any]:
    """Return the object that ``KIND/NAME`` names. Raises InputError where there is none, UnreadError."""
    word, _, name = (part.strip() for part in thing.partition("/"))
    if not word or not name or "/" in name:
        raise InputError(f"{thing}: name it as KIND/NAME, such as pod/trainer-0 or deploy/trainer")
    for one in (name, namespace):
        if not NAME.fullmatch(one):
            raise InputError(f'{thing}: "{one}" is not a name: use letters, digits, hyphens and dots')
    try:
        item = await client.find(f"{await _collection(client, word.lower(), namespace)}/{name}")
    except ApiError as error:
        raise UnreadError(f"{thing}: the API server answered: {error.for_people}") from error
    if item is None:
        other = f"; another kind is named as KIND/NAME, such as deploy/{name}" if word in PODS else ""
        raise InputError(f"{thing}: not found in namespace {namespace}{other}")
    return item


async def _collection(client: KubeClient, word: str, namespace: str) -> str:
    known = next((path for words, path in BUILT_IN.items() if word in words), None)
    if known:
        return known.format(namespace)
    groups = list(items((await client.find(GROUPS_PATH) or EMPTY).get("groups")))
    versions = [text(mapping(group.get("preferredVersion")).get("groupVersion")) for group in groups]
    answers = await asyncio.gather(*(_resources(client, version) for version in versions))
    served = [(version, some) for version, some in zip(versions, answers, strict=True) if isinstance(some, list)]
    found = [(version, resource) for version, some in served for resource in some if word in _names(version, resource)]
    if not found:
        # If an aggregated API is away, its kinds are missing in discovery, so the kind may exist.
        unread = [
            f"{version or text(group.get('name'))} ({some})"
            for group, version, some in zip(groups, versions, answers, strict=True)
            if isinstance(some, ApiError)
        ]
        if unread:
            raise UnreadError(f'no kind "{word}" was found, and these APIs could not be read: {", ".join(unread)}')
        raise InputError(NO_KIND.format(word))
    version, resource = found[0]
    if resource.get("namespaced") is not True:
        raise InputError(f'"{word}" is of no namespace, so it has no pods; name what makes them')
    return f"{GROUPS_PATH}/{version}/namespaces/{namespace}/{text(resource.get('name'))}"


async def _resources(client: KubeClient, version: str) -> list[Mapping[str, Any]] | ApiError:
    try:
        return list(items((await client.find(f"{GROUPS_PATH}/{version}") or EMPTY).get("resources")))
    except ApiError as error:
        return error


def _names(version: str, resource: Mapping[str, Any]) -> Iterator[str]:
    plural, kind = text(resource.get("name")), text(resource.get("kind")).lower()
    group, _, number = version.partition("/")
    yield from (plural, kind, f"{plural}.{group}", f"{kind}.{group}", f"{plural}.{number}.{group}")
    yield f"{kind}.{number}.{group}"
    yield from map(text, elements(resource.get("shortNames")))
