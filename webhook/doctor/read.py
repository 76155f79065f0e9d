"""Reading the facts: every kind once, with the rights of whoever asks. Nothing is written; one pod is only tried."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from certs.api import Refused
from certs.report import describe, find_installation
from certs.rotation import Schedule
from webhook.cluster.api import ApiServer
from webhook.cluster.listing import NOT_FOUND, PAGE_SIZE, RefusedError, get, pages
from webhook.cluster.live import GROUPS_PATH, NODES_PAGE_SIZE
from webhook.cluster.plugins import find_plugin, known_plugins
from webhook.cluster.snapshot import FORBIDDEN
from webhook.decide.decision import INJECT_KEY
from webhook.decide.pod import containers, driver_mounts, runtime_class_name
from webhook.doctor.facts import CannotTellError, DryRun, Facts, Objects, Unread, known
from webhook.doctor.trial import try_gpu_pod
from webhook.policy import Policy
from webhook.raw import elements, full_name, items, labels_of, mapping, metadata, name_of, text
from webhook.registration import home_of

LOG_SECONDS = 15
LOG_LINES = 200
# Logs of plugins are read where something is amiss; some of them tell what all of them say.
LOGS_AT_MOST = 30
# What a container says that has not started: there is no log yet.
BAD_REQUEST = 400
OWN = "app.kubernetes.io/name=gpu-injector"

ApiObject = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be looked at: the policy, and the namespace of workloads, empty for all.

    Who may not list the pods of all namespaces sees those of ``own_namespace``.
    """

    policy: Policy
    scope: str = ""
    own_namespace: str = "default"


async def read_facts(api: ApiServer, asked: Asked, now: datetime) -> Facts:
    """Look at the cluster once. ``OSError`` when no answer came."""
    facts = Facts(policy=asked.policy, now=now, scope=asked.scope)
    facts = replace(facts, **await _together(_of_cluster(api)))
    facts = await _pods(api, facts, asked)
    facts = replace(facts, home=_home(facts))
    facts = replace(facts, **await _together(_of_installation(api, facts)))
    return replace(facts, **await _together(_looks(api, facts)))


async def _together(reads: Mapping[str, Awaitable[Any]]) -> dict[str, Any]:
    return dict(zip(reads, await asyncio.gather(*reads.values()), strict=True))


def _of_cluster(api: ApiServer) -> Mapping[str, Awaitable[Any]]:
    registrations = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
    return {
        "server": _one(api, "/version", "the version"),
        "nodes": _list(api, "/api/v1/nodes"),
        "namespaces": _list(api, "/api/v1/namespaces"),
        "runtime_classes": _list(api, "/apis/node.k8s.io/v1/runtimeclasses"),
        "cluster_policies": _list(api, "/apis/nvidia.com/v1/clusterpolicies"),
        "device_classes": _list(api, "/apis/resource.k8s.io/v1/deviceclasses"),
        "resource_slices": _list(api, "/apis/resource.k8s.io/v1/resourceslices"),
        "api_groups": _groups(api),
        "webhooks": _list(api, registrations),
        "validating": _one(api, registrations.replace("mutating", "validating") + "/gpu-injector", "registrations"),
    }


async def _pods(api: ApiServer, facts: Facts, asked: Asked) -> Facts:
    """Read pods, DaemonSets and events: everywhere, else in the namespaces where one may look."""
    known_ones = known_plugins(asked.policy)

    def is_plugin(item: ApiObject) -> bool:
        return find_plugin(mapping(mapping(item.get("spec")).get("template")) or item, known_ones) is not None

    def is_of_gpu(item: ApiObject) -> bool:
        return not is_plugin(item) and _concerns_gpus(item, asked.policy)

    running = {"fieldSelector": "status.phase!=Succeeded"}
    everything = await _list(api, "/api/v1/pods", running, wanted=lambda item: is_plugin(item) or is_of_gpu(item))
    scope = asked.scope or (asked.own_namespace if isinstance(everything, Unread) else "")
    at = f"/api/v1/namespaces/{scope}" if scope else "/api/v1"
    places = asked.policy.bootstrap.namespaces
    reads = {
        "events": _list(api, f"{at}/events", {"fieldSelector": "type=Warning"}),
        "daemon_sets": _everywhere(api, "/apis/apps/v1/{}daemonsets", places, is_plugin),
    }
    if isinstance(everything, Unread):
        reads["gpu_pods"] = _list(api, f"{at}/pods", running, wanted=is_of_gpu)
        reads["plugin_pods"] = _everywhere(api, "/api/v1/{}pods", places, is_plugin)
        found = await _together(reads)
    else:
        found = await _together(reads)
        found["gpu_pods"] = tuple(item for item in everything if is_of_gpu(item) and _is_in(item, scope))
        found["plugin_pods"] = tuple(filter(is_plugin, everything))
    if scope and isinstance(facts.namespaces, Unread):
        own = await _one(api, f"/api/v1/namespaces/{scope}", "namespaces")
        found["namespaces"] = facts.namespaces if isinstance(own, Unread) or own is None else (own,)
    return replace(facts, scope=scope, **found)


def _is_in(item: ApiObject, namespace: str) -> bool:
    return namespace in ("", metadata(item).get("namespace"))


async def _everywhere(
    api: ApiServer, path: str, namespaces: Iterable[str], wanted: Callable[[ApiObject], bool]
) -> Objects | Unread:
    """List in all namespaces, else in some of them; unknown where not even those may be listed."""
    found = await _list(api, path.format(""), wanted=wanted)
    if not isinstance(found, Unread):
        return found
    parts = [await _list(api, path.format(f"namespaces/{name}/"), wanted=wanted) for name in namespaces]
    try:
        return tuple(item for part in parts for item in known(part))
    except CannotTellError as error:
        return Unread(str(error))


def _home(facts: Facts) -> str:
    try:
        return home_of(facts.registration)
    except CannotTellError:
        return facts.home


def _of_installation(api: ApiServer, facts: Facts) -> Mapping[str, Awaitable[Any]]:
    home = facts.home
    slices = f"/apis/discovery.k8s.io/v1/namespaces/{home}/endpointslices"
    return {
        "deployment": _one(api, f"/apis/apps/v1/namespaces/{home}/deployments/gpu-injector", "deployments"),
        "endpoint_slices": _list(api, slices, {"labelSelector": "kubernetes.io/service-name=gpu-injector"}),
        "own_pods": _list(api, f"/api/v1/namespaces/{home}/pods", {"labelSelector": OWN}),
        "certificates": _certificates(api, facts),
    }


def _looks(api: ApiServer, facts: Facts) -> Mapping[str, Awaitable[Any]]:
    return {
        "own_logs": _logs(api, facts.own_pods, lambda _: "webhook"),
        "plugin_logs": _logs(api, _silent_plugins(facts), _plugin_container(facts.policy)),
        "dry_run": _dry_run(api, facts),
    }


async def _certificates(api: ApiServer, facts: Facts) -> Any:  # noqa: ANN401  a report, or Unread
    try:
        return await describe(api, await find_installation(api, facts.home), Schedule(), facts.now)
    except Refused as refused:
        return Unread(_why("Secrets", refused.status, str(refused)))


def _silent_plugins(facts: Facts) -> Objects | Unread:
    """Return the device plugins' pods that are not well, or whose node offers no GPU: their logs tell why."""
    try:
        plugins = facts.plugins
    except CannotTellError as error:
        return Unread(str(error))
    if isinstance(facts.nodes, Unread):
        return tuple(item for item, _ in plugins)[:LOGS_AT_MOST]
    offering = {node.name for node in facts.node_facts.values() if facts.offers_gpus(node)}
    return tuple(item for item, pod in plugins if not pod.ready or pod.node not in offering)[:LOGS_AT_MOST]


def _plugin_container(policy: Policy) -> Callable[[ApiObject], str]:
    plugins = known_plugins(policy)

    def name(pod: ApiObject) -> str:
        found = find_plugin(pod, plugins)
        specs = elements(mapping(pod.get("spec")).get("containers"))
        return text(mapping(specs[found[1][0]]).get("name")) if found else ""

    return name


async def _logs(
    api: ApiServer, pods: Objects | Unread, container: Callable[[ApiObject], str]
) -> Mapping[str, str | Unread] | Unread:
    if isinstance(pods, Unread):
        return pods
    return await _together({full_name(pod): _log(api, pod, container(pod)) for pod in pods})


async def _log(api: ApiServer, pod: ApiObject, container: str) -> str | Unread:
    place = f"/api/v1/namespaces/{text(metadata(pod).get('namespace'))}/pods/{name_of(pod)}/log"
    try:
        status, said = await api.text(
            f"{place}?container={container}&tailLines={LOG_LINES}", timeout_seconds=LOG_SECONDS
        )
    except OSError as error:
        # The API server has to ask the kubelet, which may be away while all else is well.
        return Unread(f"the log of {name_of(pod)}: {str(error) or 'no answer'}")
    if status in (BAD_REQUEST, NOT_FOUND):
        return ""
    return said if status == 200 else Unread(_why("logs", status, f"{status}"))  # noqa: PLR2004  OK


async def _dry_run(api: ApiServer, facts: Facts) -> DryRun | Unread | None:
    try:
        namespaces = known(facts.namespaces)
    except CannotTellError as error:
        return Unread(str(error))
    settings = (
        (item, labels_of(item).get(INJECT_KEY)) for item in namespaces if "deletionTimestamp" not in metadata(item)
    )
    chosen = sorted(
        (name_of(item) != facts.scope, setting != "enabled", name_of(item))
        for item, setting in settings
        if setting in ("enabled", "dry-run")
    )
    return await try_gpu_pod(api, chosen[0][2], facts.policy) if chosen else None


def _concerns_gpus(pod: ApiObject, policy: Policy) -> bool:
    found = containers(pod, policy)
    return (
        runtime_class_name(pod) == policy.runtime_class
        or any(container.names_gpu for container in found)
        or any(path for container in found for path in driver_mounts(pod, container))
    )


async def _groups(api: ApiServer) -> frozenset[str] | Unread:
    found = await _one(api, GROUPS_PATH, "API groups")
    if isinstance(found, Unread):
        return found
    return frozenset(text(group.get("name")) for group in items((found or {}).get("groups")))


async def _one(api: ApiServer, path: str, what: str) -> ApiObject | Unread | None:
    try:
        return await get(api, path)
    except RefusedError as refused:
        return Unread(_why(what, refused.status, str(refused)))


async def _list(
    api: ApiServer,
    path: str,
    query: Mapping[str, str] | None = None,
    *,
    wanted: Callable[[ApiObject], bool] = lambda _: True,
) -> Objects | Unread:
    """List objects, and keep of each page only what is wanted; an API that is absent has no objects."""
    page_size = NODES_PAGE_SIZE if path.endswith("/nodes") else PAGE_SIZE
    try:
        return tuple([_slim(item) async for item in _listed(api, path, query or {}, page_size) if wanted(item)])
    except RefusedError as refused:
        what = path.rpartition("/")[2]
        return () if refused.status == NOT_FOUND else Unread(_why(what, refused.status, str(refused)))


async def _listed(api: ApiServer, path: str, query: Mapping[str, str], page_size: int) -> AsyncIterator[ApiObject]:
    async for page in pages(api, path, query, page_size):
        for item in page.items:
            yield item


def _why(what: str, status: int, said: str) -> str:
    return f"no right to read {what}" if status == FORBIDDEN else f"{what} could not be read: {said}"


def _slim(item: ApiObject) -> ApiObject:
    """Drop what is large and nobody reads: in a large cluster it would be most of the memory."""
    status = {key: value for key, value in mapping(item.get("status")).items() if key != "images"}
    about = dict(metadata(item))
    # Those of a namespace tell since when it has its label.
    if item.get("kind") != "Namespace":
        about.pop("managedFields", None)
    return {**item, "metadata": about, "status": status}
