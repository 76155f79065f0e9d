"""Sends a heartbeat with the rights of the person who asks: a ConfigMap that is only tried (dry-run)."""

import time
from urllib.parse import quote

from webhook.doctor.fact import TriedHeartbeat, Unread
from webhook.kube_client.api_error import ApiError
from webhook.kube_client.client import KubeClient
from webhook.names import HEARTBEAT_ENTRY
from webhook.registration.heartbeat_object import heartbeat_object, marked_by

# Admission calls webhooks one after the other; each may take its timeout.
ANSWER_SECONDS = 40


async def try_heartbeat(client: KubeClient, home: str) -> TriedHeartbeat | Unread:
    """Send a heartbeat; nothing is created. Unread if the person may not, or if the cluster refuses it."""
    path = f"/api/v1/namespaces/{quote(home, safe='')}/configmaps"
    started = time.monotonic()
    try:
        answer, _ = await client.try_create(path, heartbeat_object(home), timeout_seconds=ANSWER_SECONDS)
    except ApiError as error:
        if HEARTBEAT_ENTRY in error.message:
            return TriedHeartbeat(error=error.for_people)
        return Unread(f"no heartbeat may be sent in {home}: {error.for_people}")
    return TriedHeartbeat(answered_by=marked_by(answer), seconds=round(time.monotonic() - started, 3))
