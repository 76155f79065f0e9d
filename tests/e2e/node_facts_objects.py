"""The objects of node facts for clusters without Helm and without a kubelet: rights, the DaemonSet, its pods."""

from typing import Any

from e2e.installation import NAME
from webhook.view.node_facts_pods import LABEL
from webhook.view.node_facts_pods import NAME as FACTS

Json = dict[str, Any]
RESTRICTED = {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}}
CONTAINER = {
    "image": "registry.example.com/facts:1",
    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
}


def rights() -> list[Json]:
    """Return the webhook's rights for node facts, as the chart grants them."""
    rules = [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]},
        {"apiGroups": ["apps"], "resources": ["daemonsets"], "resourceNames": [FACTS], "verbs": ["list", "watch"]},
    ]
    api, metadata = "rbac.authorization.k8s.io", {"name": FACTS, "namespace": NAME}
    reference = {"apiGroup": api, "kind": "Role", "name": FACTS}
    subject = {"kind": "ServiceAccount", "name": NAME, "namespace": NAME}
    return [
        {"apiVersion": f"{api}/v1", "kind": "Role", "metadata": metadata, "rules": rules},
        {
            "apiVersion": f"{api}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": reference,
            "subjects": [subject],
        },
    ]


def pod_spec() -> Json:
    """Return the spec of a pod of node facts, as far as the webhook reads it."""
    containers = {"initContainers": [{"name": "report", **CONTAINER}], "containers": [{"name": "follow", **CONTAINER}]}
    return {"securityContext": RESTRICTED, "automountServiceAccountToken": False, **containers}


def daemon_set(namespace: str) -> Json:
    """Return the DaemonSet of node facts for the nodes of the pool."""
    labels = {LABEL: FACTS}
    spec = {**pod_spec(), "nodeSelector": {"example.com/pool": "facts"}, "tolerations": [{"operator": "Exists"}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": FACTS, "namespace": namespace, "labels": labels},
        "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": spec}},
    }
