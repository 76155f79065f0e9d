"""Records Events on DaemonSets: once, again each hour while the state lasts, and earlier only for more nodes.

The Event's name is a hash of its content, so that two replicas do not record the same Event twice.
Source: https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from webhook.controllers.event_texts import EventText
from webhook.kube_client.api_error import ApiError
from webhook.kube_client.client import KubeClient
from webhook.kube_client.clock import Clock

CONTROLLER = "gpu-injector.io/gpu-injector"
# The API server deletes an Event after an hour; before that it refuses a second one of the same name.
REPEAT_SECONDS = 3660
# Nodes that appear one after the other are reported together.
QUIET_SECONDS = 300
# The API server refuses a note of more than 1,024 bytes.
NOTE_BYTES, END_BYTES, GAP = 1023, 400, "…"
# A name can have 253 characters.
STEM_LENGTH = 200


@dataclass(frozen=True, slots=True)
class _Recorded:
    at: float
    nodes: frozenset[str]


class EventRecorder:
    """Creates Events for one replica; ``who`` is its name."""

    def __init__(self, client: KubeClient, who: str, clock: Clock) -> None:
        self._client, self._who, self._clock = client, who, clock
        self._recorded: dict[tuple[str, str], _Recorded] = {}

    async def record(self, note: EventText) -> None:
        """Create the Event of a state if it is new. Raises ApiError, OSError."""
        key, now = (note.daemon_set.uid, note.reason), self._clock.monotonic()
        last = self._recorded.get(key)
        if last is None or _is_news(note, last, now - last.at):
            await self.create(note)
            recent = {key: last for key, last in self._recorded.items() if now - last.at < REPEAT_SECONDS}
            self._recorded = {**recent, key: _Recorded(now, note.nodes)}

    async def create(self, note: EventText) -> None:
        """Create the Event of an action. Raises ApiError, OSError."""
        path = f"/apis/events.k8s.io/v1/namespaces/{note.daemon_set.plugin.namespace}/events"
        try:
            await self._client.create(path, event_of(note, self._who, self._clock.now()))
        except ApiError as error:
            # A conflict: another replica recorded the same Event.
            if not error.is_conflict:
                raise


def bounded_note(text: str) -> str:
    """Return a text as the API server accepts it: what is too long is left out of its middle. Its end is the remedy."""
    written = text.encode(errors="replace")
    if len(written) <= NOTE_BYTES:
        return text
    begin, end = written[: NOTE_BYTES - END_BYTES - len(GAP.encode())], written[-END_BYTES:]
    return GAP.join(part.decode(errors="ignore") for part in (begin, end))


def _is_news(note: EventText, last: _Recorded, age_seconds: float) -> bool:
    return age_seconds >= REPEAT_SECONDS or (age_seconds >= QUIET_SECONDS and not note.nodes <= last.nodes)


def event_of(note: EventText, who: str, now: datetime) -> dict[str, Any]:
    """Return the Event (events.k8s.io/v1) of a Note."""
    plugin = note.daemon_set.plugin
    digest = hashlib.sha256(f"{note.daemon_set.uid}\n{note.reason}\n{note.text}".encode()).hexdigest()[:16]
    # No part of a name ends with these.
    stem = plugin.name[:STEM_LENGTH].rstrip("-.")
    regarding = {"apiVersion": "apps/v1", "kind": "DaemonSet", "namespace": plugin.namespace}
    return {
        **event_body(who, now),
        "metadata": {"name": f"{stem}.{digest}", "namespace": plugin.namespace},
        "type": "Warning" if note.is_warning else "Normal",
        "reason": note.reason,
        "action": note.action,
        "note": bounded_note(note.text),
        "regarding": regarding | {"name": plugin.name, "uid": note.daemon_set.uid},
    }


def event_body(who: str, now: datetime) -> dict[str, Any]:
    """Return what all our Events share."""
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "eventTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "reportingController": CONTROLLER,
        "reportingInstance": who[:128],
    }
