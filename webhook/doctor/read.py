"""Read the facts: each kind once, with the user's own rights. Nothing is written; one pod is created in a dry run."""

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from certs.report import describe, find_installation
from certs.rotation import Schedule
from webhook.decide.pod import containers, driver_mounts, runtime_class_name
from webhook.doctor.api_reads import (
    is_ready,
    read_everywhere,
    read_groups,
    read_list,
    read_logs,
    read_needed,
    read_one,
    read_plugin_logs,
    why,
)
from webhook.doctor.cluster_facts import ClusterFacts
from webhook.doctor.dry_run_pod import try_gpu_pod
from webhook.doctor.fact import ApiObject, CannotTellError, DryRun, Objects, Unread, known
from webhook.doctor.last_events import names_cause
from webhook.doctor.node_reports import read_reports
from webhook.doctor.pod_trouble import unschedulable
from webhook.doctor.scheduling_fixes import names_claim
from webhook.doctor.tried_heartbeat import try_heartbeat
from webhook.kube.metadata import labels_of, metadata, name_of
from webhook.kube_client.api_error import ApiError
from webhook.kube_client.client import KubeClient
from webhook.kube_client.served_version import client_for
from webhook.names import APP_SELECTOR, INJECT_KEY
from webhook.nvidia.device_plugins import Vendor, device_plugin_of
from webhook.nvidia.support_pods import support_of
from webhook.observations.stored_state import StoredState, state_of, state_path
from webhook.policy.model import Policy
from webhook.registration.entries import home_of
from webhook.view.plugin_projections import find_plugin, known_plugins, template_of
from webhook.view.projections import KINDS

# Logs of plugins are read if there is a problem; a sample is enough.
LOGS_AT_MOST, SUPPORT_LOGS_AT_MOST = 30, 10
# Kinds that older API servers have in older versions.
_VERSIONED = {kind.field: kind for kind in KINDS.values() if kind.older_versions}


@dataclass(frozen=True, slots=True)
class Asked:
    """What to read: the policy, and the namespace of workloads, empty for all.

    A user who may not list the pods of all namespaces sees those of ``own_namespace``.
    """

    policy: Policy
    scope: str = ""
    own_namespace: str = "default"


async def read_facts(client: KubeClient, asked: Asked, now: datetime) -> ClusterFacts:
    """Read the cluster once. Raises ``OSError`` without an answer."""
    found = await _together(_of_cluster(client))
    facts = ClusterFacts(policy=asked.policy, now=now, scope=asked.scope, **found)
    facts = await _pods(client, facts, asked)
    facts = replace(facts, home=_home(facts))
    facts = replace(facts, **await _together(_of_installation(client, facts)))
    return replace(facts, **await _together(_looks(client, facts)))


async def _together(reads: Mapping[str, Awaitable[Any]]) -> dict[str, Any]:
    return dict(zip(reads, await asyncio.gather(*reads.values()), strict=True))


def _of_cluster(client: KubeClient) -> Mapping[str, Awaitable[Any]]:
    admission = "/apis/admissionregistration.k8s.io/v1"
    return {
        "server": read_needed(client, "/version", "the version"),
        "nodes": read_list(client, "/api/v1/nodes"),
        "namespaces": read_list(client, "/api/v1/namespaces"),
        "runtime_classes": read_list(client, "/apis/node.k8s.io/v1/runtimeclasses"),
        "cluster_policies": read_list(client, "/apis/nvidia.com/v1/clusterpolicies"),
        **{name: read_list(client_for(client, kind), kind.path) for name, kind in _VERSIONED.items()},
        "api_groups": read_groups(client),
        "limit_ranges": read_list(client, "/api/v1/limitranges"),
        "webhooks": read_list(client, f"{admission}/mutatingwebhookconfigurations"),
        "validating_webhooks": read_list(client, f"{admission}/validatingwebhookconfigurations"),
    }


@dataclass(frozen=True, slots=True)
class Sorting:
    """The fact that a pod or a DaemonSet belongs to."""

    policy: Policy

    def is_plugin(self, item: ApiObject) -> bool:
        """Say whether it is a plugin that is known."""
        return find_plugin(template_of(item), known_plugins(self.policy)) is not None

    def is_other(self, item: ApiObject) -> bool:
        """Say whether it is a device plugin for GPUs that is not known."""
        found = None if self.is_plugin(item) else device_plugin_of(template_of(item))
        return found is not None and (found.vendor is not Vendor.OTHER or not found.serves_containers)

    def is_any_plugin(self, item: ApiObject) -> bool:
        """Say whether it is a plugin, known or not."""
        return self.is_plugin(item) or self.is_other(item)

    def is_support(self, item: ApiObject) -> bool:
        """Say whether it brings what a device plugin needs."""
        return support_of(labels_of(item)) is not None

    def is_of_gpu(self, item: ApiObject) -> bool:
        """Say whether it is a GPU pod."""
        return not self.is_any_plugin(item) and not self.is_support(item) and _concerns_gpus(item, self.policy)

    def keeps(self, item: ApiObject) -> bool:
        """Say whether it is any of these."""
        return self.is_any_plugin(item) or self.is_support(item) or self.is_of_gpu(item)


async def _pods(client: KubeClient, facts: ClusterFacts, asked: Asked) -> ClusterFacts:
    """Read pods, DaemonSets and events: everywhere, else in the namespaces that the user may read."""
    sorting = Sorting(asked.policy)
    running = {"fieldSelector": "status.phase!=Succeeded"}
    everything = await read_list(client, "/api/v1/pods", running, wanted=sorting.keeps)
    scope = asked.scope or (asked.own_namespace if isinstance(everything, Unread) else "")
    at = f"/api/v1/namespaces/{scope}" if scope else "/api/v1"
    places = asked.policy.bootstrap.namespaces
    reads = {
        "events": read_list(client, f"{at}/events", {"fieldSelector": "type=Warning"}, wanted=names_cause),
        "sets": read_everywhere(client, "/apis/apps/v1/{}daemonsets", places, sorting.is_any_plugin),
    }
    if isinstance(everything, Unread):
        reads["gpu_pods"] = read_list(client, f"{at}/pods", running, wanted=sorting.is_of_gpu)
        reads["plugins"] = read_everywhere(client, "/api/v1/{}pods", places, sorting.is_any_plugin)
        reads["support_pods"] = read_everywhere(client, "/api/v1/{}pods", places, sorting.is_support)
        found = await _together(reads)
    else:
        found = await _together(reads)
        found["gpu_pods"] = tuple(item for item in everything if _is_in(item, scope) and sorting.is_of_gpu(item))
        found["plugins"] = tuple(filter(sorting.is_any_plugin, everything))
        found["support_pods"] = tuple(filter(sorting.is_support, everything))
    found["daemon_sets"], found["other_sets"] = _parted(found.pop("sets"), sorting)
    found["plugin_pods"], found["other_pods"] = _parted(found.pop("plugins"), sorting)
    if scope and isinstance(facts.namespaces, Unread):
        own = await read_one(client, f"/api/v1/namespaces/{scope}", "namespaces")
        found["namespaces"] = facts.namespaces if isinstance(own, Unread) or own is None else (own,)
    return replace(facts, scope=scope, **found)


def _parted(found: Objects | Unread, sorting: Sorting) -> tuple[Objects | Unread, Objects | Unread]:
    """Return the known plugins, and the others."""
    if isinstance(found, Unread):
        return found, found
    return tuple(filter(sorting.is_plugin, found)), tuple(filter(sorting.is_other, found))


def _is_in(item: ApiObject, namespace: str) -> bool:
    return namespace in ("", metadata(item).get("namespace"))


def _home(facts: ClusterFacts) -> str:
    try:
        return home_of(facts.registration)
    except CannotTellError:
        return facts.home


def _of_installation(client: KubeClient, facts: ClusterFacts) -> Mapping[str, Awaitable[Any]]:
    home = facts.home
    slices = f"/apis/discovery.k8s.io/v1/namespaces/{home}/endpointslices"
    return {
        "deployment": read_one(client, f"/apis/apps/v1/namespaces/{home}/deployments/gpu-injector", "deployments"),
        "endpoint_slices": read_list(client, slices, {"labelSelector": "kubernetes.io/service-name=gpu-injector"}),
        "own_pods": read_list(client, f"/api/v1/namespaces/{home}/pods", {"labelSelector": APP_SELECTOR}),
        "certificates": _certificates(client, facts),
        "state": _state(client, home),
        "node_reports": read_reports(client, home),
    }


def _looks(client: KubeClient, facts: ClusterFacts) -> Mapping[str, Awaitable[Any]]:
    return {
        "own_logs": read_logs(client, facts.own_pods, "webhook"),
        "plugin_logs": read_plugin_logs(client, _silent_plugins(facts)),
        "dry_run": _dry_run(client, facts),
        "heartbeat": try_heartbeat(client, facts.home),
    }


async def _state(client: KubeClient, home: str) -> StoredState | Unread | None:
    found = await read_one(client, state_path(home), "the state ConfigMap")
    return found if isinstance(found, Unread) or found is None else state_of(found)


async def _certificates(client: KubeClient, facts: ClusterFacts) -> Any:  # noqa: ANN401  a report, or Unread
    try:
        return await describe(client, await find_installation(client, facts.home), Schedule(), facts.now)
    except ApiError as error:
        return Unread(why("Secrets", error))


def _silent_plugins(facts: ClusterFacts) -> Objects | Unread:
    """Return the device plugins' pods that fail, or whose node lacks GPUs: their logs show why."""
    try:
        plugins = facts.talking
    except CannotTellError as error:
        return Unread(str(error))
    if isinstance(facts.nodes, Unread):
        return tuple(item for item, _ in plugins)[:LOGS_AT_MOST]
    support = () if isinstance(facts.support_pods, Unread) else facts.support_pods
    unready = tuple(item for item in support if not is_ready(item))[:SUPPORT_LOGS_AT_MOST]
    well = {node.name for node in facts.node_facts.values() if facts.offers_gpus(node) and not facts.lacking(node)}
    return (*tuple(item for item, node in plugins if node not in well or not is_ready(item))[:LOGS_AT_MOST], *unready)


async def _dry_run(client: KubeClient, facts: ClusterFacts) -> DryRun | Unread | None:
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
    return await try_gpu_pod(client, chosen[0][2], facts.policy) if chosen else None


def _concerns_gpus(pod: ApiObject, policy: Policy) -> bool:
    found = containers(pod, policy)
    return (
        runtime_class_name(pod) == policy.runtime_class
        or any(container.names_gpu for container in found)
        or any(path for container in found for path in driver_mounts(pod, container))
        or names_claim(unschedulable(pod))
    )
