"""Plugin pods that our patch blocks: what their Events say, and their deletion.

A deletion is limited by a ValidatingAdmissionPolicy of the installation: without it, none is sent.
"""

from collections.abc import Sequence
from typing import Any

from certs.api import Installation
from webhook.kube.values import items
from webhook.kube_client.api_error import ApiError
from webhook.kube_client.client import KubeClient
from webhook.kube_client.clock import Clock
from webhook.observations.pod_start import PodEvent
from webhook.view.event_projection import project_event
from webhook.view.view import PluginPod

ADMISSION = "/apis/admissionregistration.k8s.io/v1"
# So many pods are asked about in one round, and each again after a minute only.
MOST_ASKED = 10
ASK_AGAIN_SECONDS = 60
EVENTS_OF_A_POD = 50


class BlockedPods:
    """The pods of one API server, with the ServiceAccount's rights."""

    def __init__(self, client: KubeClient, installation: Installation, clock: Clock) -> None:
        self._client, self._clock = client, clock
        self._limit = f"{installation.name}-deletes"
        self._said: dict[str, tuple[float, tuple[PodEvent, ...]]] = {}

    async def events(self, pods: Sequence[PluginPod]) -> list[PodEvent]:
        """Return the Events about these pods. Raises ApiError, UnauthorizedError, OSError."""
        now = self._clock.monotonic()
        known = {pod.uid for pod in pods}
        self._said = {uid: said for uid, said in self._said.items() if uid in known}
        due = [pod for pod in pods if now - self._said.get(pod.uid, (-ASK_AGAIN_SECONDS, ()))[0] >= ASK_AGAIN_SECONDS]
        for pod in due[:MOST_ASKED]:
            self._said[pod.uid] = (now, tuple(await self._ask(pod)))
        return [event for _, events in self._said.values() for event in events]

    async def _ask(self, pod: PluginPod) -> list[PodEvent]:
        namespace = pod.plugin.namespace
        selector = f"fieldSelector=involvedObject.uid%3D{pod.uid}&limit={EVENTS_OF_A_POD}"
        page = await self._client.get(f"/api/v1/namespaces/{namespace}/events?{selector}")
        found = (project_event(item) for item in items(page.get("items")))
        return [event for event in found if event and event.pod_uid == pod.uid]

    async def missing_limit(self) -> str:
        """Return what is missing of the policy that limits our deletions, empty for nothing. Raises as ``events``."""
        for plural in ("validatingadmissionpolicies", "validatingadmissionpolicybindings"):
            try:
                found = await self._client.find(f"{ADMISSION}/{plural}/{self._limit}")
            except ApiError as error:
                if not error.is_forbidden:
                    raise
                found = None
            if found is None:
                return f"no pod is deleted without {plural}/{self._limit}, which limits deletions"
        return ""

    async def delete(self, pod: PluginPod) -> bool:
        """Delete that very pod; False where it is gone already. Raises as ``events``."""
        path = f"/api/v1/namespaces/{pod.plugin.namespace}/pods/{pod.plugin.name}"
        options: dict[str, Any] = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": pod.uid}}
        try:
            (await self._client.exchange("DELETE", path, body=options)).check()
        except ApiError as error:
            if error.is_absent or error.is_conflict:
                return False
            raise
        return True
