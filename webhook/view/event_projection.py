"""Events about pods, as the view keeps them. An Event only explains what the status of a pod shows.

With ``eventTime`` set, a user may create an Event in the own namespace about a pod of another one. So an Event counts
only for a pod of the Event's own namespace, and only by the pod's UID.
"""

from collections.abc import Mapping
from typing import Any

from webhook.kube.metadata import metadata
from webhook.kube.values import mapping, text
from webhook.observations.pod_start import PodEvent

# Longer than any name that the API server accepts.
MAX_MESSAGE = 1024


def project_event(item: Mapping[str, Any]) -> PodEvent | None:
    """Return what an Event (of the core API, or of events.k8s.io) says about a pod; None for other Events."""
    about = mapping(item.get("involvedObject")) or mapping(item.get("regarding"))
    namespace, uid = text(metadata(item).get("namespace")), text(about.get("uid"))
    if about.get("kind") != "Pod" or text(about.get("namespace")) != namespace or not (namespace and uid):
        return None
    message = text(item.get("message") or item.get("note"))
    return PodEvent(namespace, uid, text(item.get("reason")), message[:MAX_MESSAGE])
