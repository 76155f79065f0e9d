"""The objects of a cluster with our name, and the rollout of the webhook."""

import json
from collections.abc import Mapping
from typing import Any

from e2e.helm import NAMESPACE, RELEASE
from e2e.kubectl import Kubectl, Manifest

LABEL = "app.kubernetes.io/name=gpu-injector"
REGISTRATIONS = "mutatingwebhookconfiguration,validatingwebhookconfiguration"
# Objects that clusters create by themselves; and pods, which keep their decision.
PASSING = {"events", "events.events.k8s.io", "endpoints", "pods", "componentstatuses"}


def ours(kubectl: Kubectl, *selection: str) -> dict[str, dict[str, Any]]:
    """Return the metadata of all objects of all kinds with our name in them, by kind/namespace/name.

    Labels, annotations, finalizers and owners count, too.
    """
    kinds = kubectl.run("api-resources", "--verbs=list", "-o", "name").stdout.split()
    wanted = ",".join(kind for kind in kinds if kind not in PASSING)
    listed = kubectl.get(wanted, "--all-namespaces", *selection)["items"]
    return {_name(one): one["metadata"] for one in listed if RELEASE in json.dumps(one["metadata"])}


def not_rendered(kubectl: Kubectl, rendered: list[Manifest]) -> set[str]:
    """Return what Argo CD would prune: what has the label of the rendered, no owner, and is not among them."""
    labelled = ours(kubectl, f"--selector={LABEL}")
    tracked = {name for name, metadata in labelled.items() if "ownerReferences" not in metadata}
    return tracked - set(map(_name, rendered))


def _name(one: Mapping[str, Any]) -> str:
    metadata = one["metadata"]
    return f"{one['kind']}/{metadata.get('namespace', '')}/{metadata['name']}"


def registered(kubectl: Kubectl) -> dict[str, tuple[str, str]]:
    """Return for each entry its registration (the uid) and the CA that it trusts."""
    found = kubectl.get(REGISTRATIONS, f"--selector={LABEL}")["items"]
    return {
        entry["name"]: (one["metadata"]["uid"], entry["clientConfig"].get("caBundle", ""))
        for one in found
        for entry in one["webhooks"]
    }


def rolled_out(kubectl: Kubectl) -> None:
    """Wait until every replica of the webhook is the newest and ready."""
    kubectl.run("rollout", "status", f"--namespace={NAMESPACE}", "deployment/gpu-injector", "--timeout=170s")
