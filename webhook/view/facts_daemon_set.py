"""Whether node facts are on, as far as the caller may know: by their DaemonSet, or else by the chart's word."""

from collections.abc import Mapping
from typing import Any

from webhook.kube.values import EMPTY, mapping
from webhook.kube_client.api_error import ApiError
from webhook.kube_client.client import KubeClient
from webhook.names import policy_path
from webhook.view.node_facts_pods import NAME

SETTING_KEY, DISABLED = "nodeFacts", "disabled"
"""The key of the ConfigMap with the policy that says whether the chart has node facts, and its value where not."""


async def find_facts_daemon_set(client: KubeClient, home: str) -> Mapping[str, Any] | None:
    """Return the DaemonSet of node facts in the webhook's namespace, None where node facts are off.

    Raises ApiError where that is unknown, which is not "off".
    """
    try:
        return await client.find(f"/apis/apps/v1/namespaces/{home}/daemonsets/{NAME}")
    except ApiError as refused:
        # Users who may read the policy can know more than users who may not.
        if refused.is_forbidden and await _is_disabled(client, home):
            return None
        raise


async def _is_disabled(client: KubeClient, home: str) -> bool:
    try:
        found = await client.find(policy_path(home))
    except ApiError:
        return False
    return mapping((found or EMPTY).get("data")).get(SETTING_KEY) == DISABLED
