"""Events on DaemonSets: each is told once, again after an hour while it lasts, and sooner only for further nodes.

An Event's name is made of what it says, so that replicas that see the same do not tell it twice.
Source: https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from webhook.controllers.event_texts import Note
from webhook.kube_client.api_error import ApiError
from webhook.kube_client.client import KubeClient
from webhook.kube_client.clock import Clock

CONTROLLER = "gpu-injector.io/gpu-injector"
# The API server forgets an Event after an hour, and would refuse its name before.
REPEAT_SECONDS = 3660
# Nodes that come one by one are told together.
QUIET_SECONDS = 300
# A name has room for 253 characters.
STEM_LENGTH = 200


@dataclass(frozen=True, slots=True)
class _Told:
    at: float
    nodes: frozenset[str]


class Events:
    """Tells Notes as Events; ``who`` is the replica's name."""

    def __init__(self, client: KubeClient, who: str, clock: Clock) -> None:
        self._client, self._who, self._clock = client, who, clock
        self._told: dict[tuple[str, str], _Told] = {}

    async def tell(self, note: Note) -> None:
        """Create the Event of a state, if it is news. Raises ApiError, OSError."""
        key, now = (note.daemon_set.uid, note.reason), self._clock.monotonic()
        told = self._told.get(key)
        if told is None or _is_news(note, told, now - told.at):
            await self.create(note)
            self._told[key] = _Told(now, note.nodes)

    async def create(self, note: Note) -> None:
        """Create the Event of something that happened. Raises ApiError, OSError."""
        path = f"/apis/events.k8s.io/v1/namespaces/{note.daemon_set.plugin.namespace}/events"
        try:
            await self._client.create(path, event_of(note, self._who, self._clock.now()))
        except ApiError as error:
            # A conflict: another replica has created the Event of this name.
            if not error.is_conflict:
                raise


def _is_news(note: Note, told: _Told, age_seconds: float) -> bool:
    return age_seconds >= REPEAT_SECONDS or (age_seconds >= QUIET_SECONDS and not note.nodes <= told.nodes)


def event_of(note: Note, who: str, now: datetime) -> dict[str, Any]:
    """Return the Event (events.k8s.io/v1) of a Note."""
    plugin = note.daemon_set.plugin
    said = hashlib.sha256(f"{note.daemon_set.uid}\n{note.reason}\n{note.text}".encode()).hexdigest()[:16]
    regarding = {"apiVersion": "apps/v1", "kind": "DaemonSet", "namespace": plugin.namespace}
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": f"{plugin.name[:STEM_LENGTH]}.{said}", "namespace": plugin.namespace},
        "eventTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "type": "Warning" if note.is_warning else "Normal",
        "reason": note.reason,
        "action": note.action,
        "note": note.text,
        "regarding": regarding | {"name": plugin.name, "uid": note.daemon_set.uid},
        "reportingController": CONTROLLER,
        "reportingInstance": who[:128],
    }
