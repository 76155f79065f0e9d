"""The last event about an object: why it does not come to life, as far as its events say."""

from webhook.doctor.cluster_facts import ClusterFacts
from webhook.doctor.fact import ApiObject, Unread
from webhook.kube.values import mapping, text
from webhook.nvidia.failure_messages import failure_of
from webhook.observations.workload_failure import REFUSALS
from webhook.view.event_projection import last_seen, project_failure

# Part of the names of objects whose pods belong to GPUs: plugins, drivers, exporters.
GPU_WORDS = ("nvidia", "gpu", "dcgm")


def names_cause(event: ApiObject) -> bool:
    """Say whether an event shows why a pod does not start, or was not created."""
    reason = text(event.get("reason"))
    if failure_of(text(event.get("message")), reason) is not None or project_failure(event) is not None:
        return True
    return reason in REFUSALS and is_of_gpus(text(mapping(event.get("involvedObject")).get("name")))


def is_of_gpus(name: str) -> bool:
    """Say whether an object's name tells that its pods are for GPUs."""
    return any(word in name.lower() for word in GPU_WORDS)


def is_resolved(facts: ClusterFacts, event: ApiObject) -> bool:
    """Say whether an event is about a pod that became Ready since."""
    about, seen = mapping(event.get("involvedObject")), last_seen(event)
    ready = facts.ready_since.get(f"{text(about.get('namespace'))}/{text(about.get('name'))}")
    return about.get("kind") == "Pod" and seen is not None and ready is not None and ready >= seen


def last_event(facts: ClusterFacts, kind: str, namespace: str, name: str) -> tuple[str, str]:
    """Return message and reason of the last event about an object, empty texts where there is none."""
    if isinstance(facts.events, Unread):
        return "", ""
    for event in reversed(facts.events):
        about = mapping(event.get("involvedObject"))
        if (about.get("kind"), about.get("namespace"), about.get("name")) == (kind, namespace, name):
            return " ".join(text(event.get("message")).split()), text(event.get("reason"))
    return "", ""
