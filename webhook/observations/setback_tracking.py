"""How setbacks come and go: from a look at all plugin pods, one after the other. Pure: the time is given."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from types import MappingProxyType

from webhook.observations.failed_recipe import BootedNode, PatchedPod, RecipeFailure, failure_of_recipe
from webhook.observations.plugin_observation import Moment, PluginState, plugin_state
from webhook.observations.pod_start import PodEvent
from webhook.observations.setback import (
    MAX_SETBACKS,
    Setback,
    SetbackKey,
    SetbackKind,
    Setbacks,
    holds_on,
)
from webhook.observations.setback_lifetime import duration, has_expired, is_forgotten

# The time of a look whose objects record no time.
UNKNOWN_TIME = datetime(1970, 1, 1, tzinfo=UTC)
LEFT = "leave/setback"


def look_at_pods(
    previous: Setbacks,
    pods: Mapping[str, PatchedPod],
    nodes: Mapping[str, BootedNode] | None,
    events: Iterable[PodEvent],
    moment: Moment,
) -> Setbacks:
    """Return the setbacks after a look at all plugin pods; the previous value itself if nothing changed.

    ``pods`` must be those that a DaemonSet controls which the caller trusts; ``nodes`` are all nodes, None if they are
    not known. The setbacks of a node that was deleted are dropped.
    """
    now = moment.now or UNKNOWN_TIME
    entries = dict(_lasting(previous, pods.values(), nodes, now))
    by_pod = _by_pod(events)
    for pod in pods.values():
        node = (nodes or {}).get(pod.node)
        if node is None or not pod.recipe or not pod.owner_name:
            continue
        key = SetbackKey(pod.plugin.namespace, pod.owner_name, node.name, pod.recipe)
        if _works(pod, node, moment):
            entries.pop(key, None)
        elif failure := failure_of_recipe(pod, node, by_pod.get((pod.plugin.namespace, pod.uid), ()), moment):
            entries[key] = _next(entries.get(key), key, failure, pod, node, moment)
    return _result(previous, _bounded(entries), now)


def _lasting(
    previous: Setbacks, pods: Iterable[PatchedPod], nodes: Mapping[str, BootedNode] | None, now: datetime
) -> Iterator[tuple[SetbackKey, Setback]]:
    """Yield the setbacks that still count, and those whose repetitions are remembered."""
    left = {(pod.plugin.namespace, pod.owner_name, pod.node) for pod in pods if pod.decision == LEFT}
    for key, found in previous.entries.items():
        node = (nodes or {}).get(key.node)
        if nodes is not None and (node is None or not holds_on(found, node)):
            continue
        # A pod that was left alone because of it is not released when its time is over.
        if not is_forgotten(found.until, now) or (key.namespace, key.daemon_set, key.node) in left:
            yield key, found


def _by_pod(events: Iterable[PodEvent]) -> Mapping[tuple[str, str], list[PodEvent]]:
    found: dict[tuple[str, str], list[PodEvent]] = {}
    for event in events:
        found.setdefault((event.namespace, event.pod_uid), []).append(event)
    return found


def _works(pod: PatchedPod, node: BootedNode, moment: Moment) -> bool:
    """Say whether a pod with our patch found its GPU."""
    return pod.ready and plugin_state(pod, node, moment) is PluginState.HEALTHY


def _next(  # noqa: PLR0913, PLR0917 - each is another part of the same fact
    known: Setback | None, key: SetbackKey, failure: RecipeFailure, pod: PatchedPod, node: BootedNode, moment: Moment
) -> Setback:
    now = moment.now or UNKNOWN_TIME
    if known and known.pod == pod.uid and not has_expired(known.until, now):
        return known
    repetitions = known.repetitions + 1 if known else 1
    return Setback(
        key=key,
        kind=failure.kind,
        text=failure.text,
        at=now,
        until=now + duration(repetitions, moment.waits.first_duration),
        repetitions=repetitions,
        boot_id=node.boot_id,
        host=node.host,
        pod=pod.uid,
        released=known is not None and known.pod == pod.uid and known.released,
    )


def due(setbacks: Setbacks, pods: Iterable[PatchedPod]) -> Iterator[tuple[Setback, PatchedPod]]:
    """Yield the pods to release: blocked now, their failure known, and not released before."""
    by_uid = {pod.uid: pod for pod in pods if pod.recipe and not pod.ready}
    for found in setbacks.current():
        pod = by_uid.get(found.pod)
        if pod and not found.released and found.kind is not SetbackKind.NO_GPU:
            yield found, pod


def with_released(setbacks: Setbacks, released: Iterable[Setback]) -> Setbacks:
    """Return the setbacks with the note that these pods may be deleted."""
    noted = {found.key: replace(found, released=True) for found in released}
    return Setbacks(MappingProxyType({**setbacks.entries, **noted}), setbacks.expired, setbacks.policy)


def _bounded(entries: Mapping[SetbackKey, Setback]) -> Mapping[SetbackKey, Setback]:
    """Keep the newest, up to the limit."""
    if len(entries) <= MAX_SETBACKS:
        return entries
    kept = sorted(entries.values(), key=lambda found: found.at, reverse=True)[:MAX_SETBACKS]
    return {found.key: found for found in kept}


def _result(previous: Setbacks, entries: Mapping[SetbackKey, Setback], now: datetime) -> Setbacks:
    if entries == previous.entries:
        return previous.as_of(now)
    return Setbacks(MappingProxyType(dict(entries)), policy=previous.policy).as_of(now)
