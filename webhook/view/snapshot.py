"""The view of a live cluster at one moment, for commands: each kind is listed once, none is watched."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from webhook.cluster.listing import NOT_FOUND, Api, RefusedError, get, objects
from webhook.cluster.watch import Resource
from webhook.kube.values import EMPTY, items, text
from webhook.view.live_view import GROUPS_PATH, observe_plugins
from webhook.view.projections import DEFAULT_POLICY
from webhook.view.served_version import ServedVersion
from webhook.view.view import ClusterView

FORBIDDEN = 403
API_GROUPS = "api_groups"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A view, and what it could not learn: for each such field of ClusterView the API server's answer.

    A field that could not be learnt is None in the view: unknown, never "there are none".
    """

    view: ClusterView
    unknown: Mapping[str, str]


async def snapshot(
    api: Api,
    resources: Iterable[Resource],
    named: Mapping[str, Collection[str]] = EMPTY,
    *,
    is_gpu_resource: Callable[[str], bool] = DEFAULT_POLICY.is_gpu_resource,
) -> Snapshot:
    """List what the resources name; ``OSError`` when no answer came.

    Who may not list a kind may still get some of its objects: those that ``named`` has under the kind's field.
    """
    rows = tuple(resources)
    groups, *answers = await asyncio.gather(
        _groups(api), *(_values(api, row, named.get(row.kind.field, ())) for row in rows)
    )
    unknown: dict[str, str] = {}
    found: dict[str, Any] = {}
    for row, answer in zip(rows, answers, strict=True):
        if isinstance(answer, RefusedError):
            unknown[row.kind.field] = str(answer)
        else:
            # Several rows of one kind, with other namespaces or selectors, are told together.
            found.setdefault(row.kind.field, {}).update(answer)
    if isinstance(groups, RefusedError):
        unknown[API_GROUPS], groups = str(groups), None
    known: dict[str, Any] = {field: MappingProxyType(values) for field, values in found.items() if field not in unknown}
    view = observe_plugins(is_gpu_resource)(ClusterView(**known, api_groups=groups))
    return Snapshot(view, MappingProxyType(unknown))


async def _values(api: Api, row: Resource, names: Collection[str]) -> Mapping[str, Any] | RefusedError:
    served = ServedVersion(api.call, row.kind) if row.kind.older_versions else api
    try:
        listed = await _listed(served, row, names)
    except RefusedError as refused:
        return {} if row.optional and refused.status == NOT_FOUND else refused
    return {row.kind.key(item): row.kind.project(item) for item in listed if row.kind.keeps(item)}


async def _listed(api: Api, row: Resource, names: Collection[str]) -> list[dict[str, Any]]:
    try:
        return await objects(api, row.path, row.selectors, row.page_size)
    except RefusedError as refused:
        if refused.status != FORBIDDEN or not names:
            raise
    single = [await get(api, f"{row.path}/{quote(name, safe='')}") for name in names]
    return [item for item in single if item is not None]


async def _groups(api: Api) -> frozenset[str] | RefusedError:
    try:
        found = await get(api, GROUPS_PATH)
    except RefusedError as refused:
        return refused
    if found is None:
        return RefusedError(NOT_FOUND, "NotFound")
    return frozenset(text(group.get("name")) for group in items(found.get("groups")))
