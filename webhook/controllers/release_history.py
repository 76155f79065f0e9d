"""Which blind pod is evicted next, by what was evicted in the last hour. Pure: the time is given.

One at a time: the next pod goes when the one before it has a successor that works. Once a node and hour: a pod that
comes back blind must not be evicted again and again.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from webhook.decide.plugin.unserved_plugins import UnservedPlugin
from webhook.observations.eviction import Eviction, Ledger
from webhook.view.view import ClusterView, Nvml

HOUR = timedelta(hours=1)
# A pod that runs on after this long was not evicted: a PodDisruptionBudget refused it, or the replica died before.
UNDER_WAY = timedelta(minutes=1)


def choose(
    repairable: Iterable[UnservedPlugin], ledger: Ledger, view: ClusterView, now: datetime
) -> UnservedPlugin | None:
    """Return the pod to evict now, None where it is not time: device plugins first, then by node."""
    last_hour = recent(ledger, now)
    if any(_is_under_way(node, eviction, view, now) for node, eviction in last_hour.items()):
        return None
    left = [found for found in repairable if found.pod.node not in last_hour]
    return min(left, key=lambda found: (not found.pod.plugin.hands_out_gpus, found.pod.node), default=None)


def recent(ledger: Ledger, now: datetime) -> Ledger:
    """Return what was asked for in the last hour."""
    return {node: eviction for node, eviction in ledger.items() if abs(now - eviction.at) < HOUR}


def with_eviction(ledger: Ledger, found: UnservedPlugin, now: datetime) -> Ledger:
    """Return the ledger with one more eviction, without those that are older than an hour."""
    return {**recent(ledger, now), found.pod.node: Eviction(found.pod.uid, found.pod.owner, now)}


def _is_under_way(node: str, eviction: Eviction, view: ClusterView, now: datetime) -> bool:
    """Say whether the successor of an evicted pod is still to come, and will."""
    owners = {item.uid for item in (view.daemon_sets or {}).values()}
    if node not in (view.nodes or {}) or eviction.daemon_set not in owners:
        return False
    pods = [pod for pod in (view.plugin_pods or {}).values() if (pod.node, pod.owner) == (node, eviction.daemon_set)]
    if any(pod.uid == eviction.pod and pod.running for pod in pods):
        return now - eviction.at < UNDER_WAY
    return not any(pod.running and pod.ready and pod.plugin.nvml is not Nvml.NEITHER for pod in pods)
