"""Chooses the pod to evict next, from the evictions of the last hour. Pure: the time is an argument.

One at a time: the next pod is evicted when the previous one has a working successor. At most once an hour for each
node: a pod that is blind again must not be evicted repeatedly.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from webhook.decide.plugin.unserved_plugins import UnservedPlugin
from webhook.observations.eviction import Eviction, History
from webhook.view.view import ClusterView, Nvml

HOUR = timedelta(hours=1)
# A pod that still runs after this time was not evicted: a PodDisruptionBudget refused, or the replica crashed.
UNDER_WAY = timedelta(minutes=1)


def choose(
    repairable: Iterable[UnservedPlugin], history: History, view: ClusterView, now: datetime
) -> UnservedPlugin | None:
    """Return the pod to evict now, None if none is due: device plugins first, then by node."""
    last_hour = recent(history, now)
    if any(_is_under_way(node, eviction, view, now) for node, eviction in last_hour.items()):
        return None
    left = [found for found in repairable if found.pod.node not in last_hour]
    return min(left, key=lambda found: (not found.pod.plugin.hands_out_gpus, found.pod.node), default=None)


def recent(history: History, now: datetime) -> History:
    """Return the evictions of the last hour."""
    return {node: eviction for node, eviction in history.items() if abs(now - eviction.at) < HOUR}


def with_eviction(history: History, found: UnservedPlugin, now: datetime) -> History:
    """Return the history with one more eviction, without those that are older than an hour."""
    return {**recent(history, now), found.pod.node: Eviction(found.pod.uid, found.pod.owner, now)}


def _is_under_way(node: str, eviction: Eviction, view: ClusterView, now: datetime) -> bool:
    """Return whether the successor of an evicted pod is still expected."""
    owners = {item.uid for item in (view.daemon_sets or {}).values()}
    if node not in (view.nodes or {}) or eviction.daemon_set not in owners:
        return False
    pods = [pod for pod in (view.plugin_pods or {}).values() if (pod.node, pod.owner) == (node, eviction.daemon_set)]
    if any(pod.uid == eviction.pod and pod.running for pod in pods):
        return now - eviction.at < UNDER_WAY
    return not any(pod.running and pod.ready and pod.plugin.nvml is not Nvml.NEITHER for pod in pods)
