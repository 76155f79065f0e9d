"""The command that re-creates a pod, so that its admission is asked again: by the controller that made it."""

from collections.abc import Iterable, Mapping
from typing import Any

from webhook.kube.metadata import controlling_owner, labels_of, name_of, namespace_of
from webhook.kube.values import text

RESTARTED_KINDS = {"Deployment": "deployment", "StatefulSet": "statefulset", "DaemonSet": "daemonset"}
# A Job counts a deleted pod as failed, and may then end as failed itself.
# https://kubernetes.io/docs/concepts/workloads/controllers/job/#pod-backoff-failure-policy
MANIFEST_KINDS = ("Job",)
# A Deployment names its ReplicaSets after itself and this label.
# https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#pod-template-hash-label
HASH_LABEL = "pod-template-hash"


def recreate_command(item: Mapping[str, Any]) -> str:
    """Return the command for a pod, or for a controller with a template."""
    kind, name = _restarted(item)
    namespace = namespace_of(item)
    if kind in RESTARTED_KINDS:
        return f"kubectl -n {namespace} rollout restart {RESTARTED_KINDS[kind]}/{name}"
    if kind in MANIFEST_KINDS:
        return f"kubectl -n {namespace} replace --force -f FILE   (FILE is the manifest of {kind} {name})"
    if item.get("kind") not in ("Pod", None):
        return f"kubectl -n {namespace} get pods   (delete those of {kind} {name}, so that it creates others)"
    pod = name_of(item)
    if name:
        return f"kubectl -n {namespace} delete pod {pod}   ({kind} {name} creates another one)"
    return f"kubectl -n {namespace} replace --force -f FILE   (FILE is the manifest of pod {pod}: it has no controller)"


def recreate_commands(pods: Iterable[Mapping[str, Any]], limit: int) -> tuple[str, ...]:
    """Return the first commands for pods, each once."""
    commands: dict[str, None] = {}
    for pod in pods:
        if len(commands) < limit:
            commands[recreate_command(pod)] = None
    return tuple(commands)


def _restarted(item: Mapping[str, Any]) -> tuple[str, str]:
    """Return kind and name of the controller to restart: the object itself, or the one above; empty for none."""
    if item.get("kind") not in ("Pod", None):
        return text(item.get("kind")), name_of(item)
    owner = controlling_owner(item)
    kind, name = text(owner.get("kind")), text(owner.get("name"))
    ending = f"-{labels_of(item).get(HASH_LABEL, '')}"
    if kind == "ReplicaSet" and len(ending) > 1 and name.endswith(ending):
        return "Deployment", name.removesuffix(ending)
    return kind, name
