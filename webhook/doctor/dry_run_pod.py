"""The server-side trial: a GPU pod that is only tried (``dryRun=All``) shows whether the webhook answers."""

from typing import Any
from urllib.parse import quote

from webhook.cluster.api import ApiServer
from webhook.decide.decision import DECISION_KEY, WARNING_PREFIX
from webhook.decide.pod import annotations
from webhook.doctor.cluster_facts import DryRun, Unread
from webhook.kube.values import text
from webhook.policy.model import Policy
from webhook.view.snapshot import FORBIDDEN

CREATED = 201
# Admission asks webhooks one after the other; each may take its timeout.
TRIAL_SECONDS = 40


async def try_gpu_pod(api: ApiServer, namespace: str, policy: Policy) -> DryRun | Unread:
    """Ask the API server what it would make of a GPU pod in a namespace; nothing is created.

    Unread where the caller may not create pods there, or a quota or policy of the cluster refuses it.
    """
    path = f"/api/v1/namespaces/{quote(namespace, safe='')}/pods?dryRun=All"
    status, answer, warnings = await api.post(path, gpu_pod(policy), timeout_seconds=TRIAL_SECONDS)
    if status == CREATED:
        word = text(annotations(answer).get(DECISION_KEY))
        # In dry-run nothing is written, and whoever creates the pod is told.
        told = next((warning for warning in warnings if WARNING_PREFIX in warning), "")
        return DryRun(namespace, word or told.partition(WARNING_PREFIX)[2].strip('"'))
    message = text(answer.get("message")) or text(answer.get("reason")) or str(status)
    # A class that does not exist is refused as forbidden, too: that is no lack of rights.
    if status == FORBIDDEN and "RuntimeClass" not in message:
        return Unread(f"no GPU pod may be tried in {namespace}: {message}")
    return DryRun(namespace, refusal=message)


def gpu_pod(policy: Policy) -> dict[str, Any]:
    """Return a pod that requests one GPU and is let in everywhere, PodSecurity "restricted" included."""
    resource = policy.resources[0].replace("*", "1g.5gb")
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": "gpu-injector-trial-"},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [
                {
                    "name": "trial",
                    "image": "trial.invalid/never-pulled",
                    "resources": {"limits": {resource: "1", "cpu": "1m", "memory": "1Mi"}},
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                    },
                }
            ],
        },
    }
