"""What the nodes report by themselves (node facts), as doctor reads it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from webhook.doctor.api_reads import read_list, why
from webhook.doctor.fact import ApiObject, Objects, Unread
from webhook.kube_client.api_error import ApiError
from webhook.kube_client.client import KubeClient
from webhook.view.facts_daemon_set import find_facts_daemon_set
from webhook.view.node_facts_pods import LABEL, NAME
from webhook.view.projections import FACTS_DAEMON_SET, FACTS_POD


@dataclass(frozen=True)
class NodeReports:
    """The DaemonSet that reports node facts, None where node facts are off; and its pods."""

    daemon_set: ApiObject | None = None
    pods: Objects = ()

    @cached_property
    def fields(self) -> Mapping[str, Any]:
        """The fields of a view that have the reports."""
        owners = (self.daemon_set,) if self.daemon_set else ()
        of_kinds = ((FACTS_DAEMON_SET, owners), (FACTS_POD, self.pods))
        return {
            kind.field: {kind.key(item): kind.project(item) for item in found if kind.keeps(item)}
            for kind, found in of_kinds
        }


async def read_reports(client: KubeClient, home: str) -> NodeReports | Unread:
    """Read the reports in the namespace of the webhook; as the webhook does, without the DaemonSet none."""
    try:
        owner = await find_facts_daemon_set(client, home)
    except ApiError as error:
        return Unread(why("the DaemonSet of node facts", error))
    if owner is None:
        return NodeReports()
    pods = await read_list(client, f"/api/v1/namespaces/{home}/pods", {"labelSelector": f"{LABEL}={NAME}"})
    return pods if isinstance(pods, Unread) else NodeReports(owner, pods)
