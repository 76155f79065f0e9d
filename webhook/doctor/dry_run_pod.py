"""A server-side dry run: a GPU pod that is not stored (``dryRun=All``) shows whether the webhook answers."""

from typing import Any
from urllib.parse import quote

from webhook.decide.pod import annotations
from webhook.decide.warning_text import WARNING_PREFIX
from webhook.doctor.fact import DryRun, Unread
from webhook.kube.values import text
from webhook.kube_client.api_error import ApiError
from webhook.kube_client.client import KubeClient
from webhook.names import DECISION_KEY, TRIAL_PREFIX
from webhook.policy.model import Policy

# Admission calls webhooks one after the other; each may take its timeout.
TRIAL_SECONDS = 40


async def try_gpu_pod(client: KubeClient, namespace: str, policy: Policy) -> DryRun | Unread:
    """Ask the API server how it would create a GPU pod in a namespace; nothing is stored.

    Unread where the caller may not create pods there, or a quota or policy of the cluster refuses it.
    """
    path = f"/api/v1/namespaces/{quote(namespace, safe='')}/pods"
    try:
        pod, warnings = await client.try_create(path, gpu_pod(policy), timeout_seconds=TRIAL_SECONDS)
    except ApiError as error:
        # A class that does not exist is refused as forbidden, too: that is no lack of rights.
        if error.is_forbidden and "RuntimeClass" not in error.for_people:
            return Unread(f"no GPU pod may be tried in {namespace}: {error.for_people}")
        return DryRun(namespace, refusal=error.for_people)
    word = text(annotations(pod).get(DECISION_KEY))
    # In dry-run nothing is written; a warning contains the decision.
    warning = next((warning for warning in warnings if WARNING_PREFIX in warning), "")
    return DryRun(namespace, word or warning.partition(WARNING_PREFIX)[2].strip('"'))


def gpu_pod(policy: Policy) -> dict[str, Any]:
    """Return a pod that requests one GPU and is accepted everywhere, PodSecurity "restricted" included."""
    resource = policy.resources[0].replace("*", "1g.5gb")
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": TRIAL_PREFIX},
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
