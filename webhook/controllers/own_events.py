"""Records Events on our own Deployment: once for each text, again each hour while the state lasts, and its end.

`kubectl -n gpu-injector get events` shows them.
Source: https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/
"""

from dataclasses import dataclass

from certs.api import Installation
from webhook.controllers.event_recorder import QUIET_SECONDS, REPEAT_SECONDS, bounded_note, event_body
from webhook.kube_client.client import KubeClient
from webhook.kube_client.clock import Clock


@dataclass(frozen=True, slots=True)
class _Recorded:
    text: str
    at: float


class OwnEvents:
    """Creates Events for one replica; ``who`` is its name."""

    def __init__(self, client: KubeClient, installation: Installation, who: str, clock: Clock) -> None:
        self._client, self._installation, self._who, self._clock = client, installation, who, clock
        self._recorded: dict[str, _Recorded] = {}

    async def record(self, reason: str, text: str) -> None:
        """Create the Event of a state, or of its end (no text), if it is news. Raises ApiError, OSError.

        The same text is news after an hour. Another text is news after five minutes: a state may come and go.
        """
        now, last = self._clock.monotonic(), self._recorded.get(reason, _Recorded("", float("-inf")))
        wait_seconds = REPEAT_SECONDS if text == last.text else QUIET_SECONDS
        if (not text and not last.text) or now - last.at < wait_seconds:
            return
        await self._create(reason, text)
        self._recorded[reason] = _Recorded(text, now)

    async def _create(self, reason: str, text: str) -> None:
        namespace, name = self._installation.namespace, self._installation.name
        body = {
            **event_body(self._who, self._clock.now()),
            "metadata": {"generateName": f"{name}-", "namespace": namespace},
            "type": "Warning" if text else "Normal",
            "reason": reason if text else f"{reason}Ended",
            "action": "Report",
            "note": bounded_note(text or "this is over."),
            "regarding": {"apiVersion": "apps/v1", "kind": "Deployment", "namespace": namespace, "name": name},
        }
        await self._client.create(f"/apis/events.k8s.io/v1/namespaces/{namespace}/events", body)
