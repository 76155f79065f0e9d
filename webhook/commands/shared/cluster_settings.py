"""What else a cluster says before workloads are judged: whether we are installed, and what Knative accepts."""

import click

from webhook.commands.shared.cluster import Registered
from webhook.kube.knative import CONFIG_MAP_PATH, allows_runtime_class
from webhook.kube.values import EMPTY, items, text
from webhook.kube_client.api_error import ApiError
from webhook.kube_client.client import KubeClient
from webhook.names import REGISTRATION_NAME, WORKLOADS_ENTRY


def report_registration(registered: Registered) -> None:
    """Say where the API server calls no webhook of ours; an unread registration is in the policy's line already."""
    if registered.unread:
        return
    found = registered.registration
    if WORKLOADS_ENTRY not in {text(entry.get("name")) for entry in items((found or EMPTY).get("webhooks"))}:
        what = "exists" if found is None else f"has the entry {WORKLOADS_ENTRY}"
        click.echo(f"Not installed: no registration {REGISTRATION_NAME} {what}. The webhook is not called.", err=True)


async def knative_allows_class(client: KubeClient) -> bool:
    """Say whether the cluster's Knative accepts a RuntimeClass; an unread setting does not allow it."""
    try:
        found = await client.find(CONFIG_MAP_PATH)
    except ApiError:
        return False
    return allows_runtime_class([{"apiVersion": "v1", "kind": "ConfigMap", **found}] if found else [])
