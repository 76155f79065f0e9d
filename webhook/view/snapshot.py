"""The view of a live cluster at one moment, for commands: each kind is listed once, none is watched."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from webhook.kube.values import EMPTY, items, text
from webhook.kube_client.api_error import ApiError
from webhook.kube_client.client import KubeClient
from webhook.kube_client.paging import objects
from webhook.kube_client.resource import Resource
from webhook.kube_client.served_version import client_for
from webhook.view.live_view import observe_plugins, utc_now
from webhook.view.projections import DEFAULT_POLICY
from webhook.view.view import ClusterView
from webhook.view.watched_resources import GROUPS_PATH

API_GROUPS = "api_groups"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A view, and the fields of ClusterView that could not be read, each with the API server's answer.

    A field that could not be read is None in the view: unknown, never "there are none".
    """

    view: ClusterView
    unknown: Mapping[str, str]


async def snapshot(
    client: KubeClient,
    resources: Iterable[Resource],
    named: Mapping[str, Collection[str]] = EMPTY,
    *,
    is_gpu_resource: Callable[[str], bool] = DEFAULT_POLICY.is_gpu_resource,
    wall_clock: Callable[[], datetime] = utc_now,
) -> Snapshot:
    """List the resources. Raises UnauthorizedError, and ``OSError`` when no answer came.

    A caller who may not list a kind may still get some of its objects: those that ``named`` has under the kind's field.
    """
    rows = tuple(resources)
    groups, *answers = await asyncio.gather(
        _groups(client), *(_values(client, row, named.get(row.kind.field, ())) for row in rows)
    )
    unknown: dict[str, str] = {}
    found: dict[str, Any] = {}
    for row, answer in zip(rows, answers, strict=True):
        if isinstance(answer, ApiError):
            unknown[row.kind.field] = str(answer)
        else:
            # Several resources of one kind, with other namespaces or selectors, are shown together.
            found.setdefault(row.kind.field, {}).update(answer)
    if isinstance(groups, ApiError):
        unknown[API_GROUPS], groups = str(groups), None
    known: dict[str, Any] = {field: MappingProxyType(values) for field, values in found.items() if field not in unknown}
    view = observe_plugins(is_gpu_resource, wall_clock)(ClusterView(**known, api_groups=groups))
    return Snapshot(view, MappingProxyType(unknown))


async def _values(client: KubeClient, row: Resource, names: Collection[str]) -> Mapping[str, Any] | ApiError:
    try:
        listed = await _listed(client_for(client, row.kind), row, names)
    except ApiError as refused:
        return {} if row.optional and refused.is_absent else refused
    return {row.kind.key(item): row.kind.project(item) for item in listed if row.kind.keeps(item)}


async def _listed(client: KubeClient, row: Resource, names: Collection[str]) -> list[dict[str, Any]]:
    try:
        return await objects(client, row.path, row.selectors, row.page_size)
    except ApiError as refused:
        if not refused.is_forbidden or not names:
            raise
    single = [await client.find(f"{row.path}/{quote(name, safe='')}") for name in names]
    return [item for item in single if item is not None]


async def _groups(client: KubeClient) -> frozenset[str] | ApiError:
    try:
        found = await client.get(GROUPS_PATH)
    except ApiError as refused:
        return refused
    return frozenset(text(group.get("name")) for group in items(found.get("groups")))
