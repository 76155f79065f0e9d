"""List the workloads of a live cluster: controllers with their templates, and pods without a listed controller."""

import sys
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from webhook.commands.shared.terminal import progress_stream
from webhook.kube.metadata import controlling_owner, metadata
from webhook.kube.values import EMPTY, text
from webhook.kube_client.api_error import ApiError
from webhook.kube_client.client import KubeClient
from webhook.kube_client.paging import pages

# Controllers before the objects that they create. Pods of unknown kinds are listed themselves.
RESOURCES = (
    "/apis/apps/v1/deployments",
    "/apis/apps/v1/statefulsets",
    "/apis/apps/v1/daemonsets",
    "/apis/apps/v1/replicasets",
    "/apis/batch/v1/cronjobs",
    "/apis/batch/v1/jobs",
    "/api/v1/replicationcontrollers",
    "/api/v1/pods",
)
LISTED_KINDS = frozenset(
    {"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "CronJob", "Job", "ReplicationController"}
)
SELECTOR = "labelSelector"


def no_interest(_pod: Mapping[str, Any]) -> None:
    """Pass over a pod."""


@dataclass(frozen=True, slots=True)
class Listed:
    """What to list: ``namespace`` and ``selector`` (of labels) are empty for all; ``sees_pod`` gets every pod."""

    namespace: str = ""
    selector: str = ""
    sees_pod: Callable[[Mapping[str, Any]], None] = no_interest


async def workloads(
    client: KubeClient,
    listed: Listed,
    progress: Progress,
    unread: dict[str, str],
) -> AsyncGenerator[dict[str, Any], None]:
    """Yield the objects that no listed controller keeps; a kind that cannot be listed is noted in ``unread``.

    Raises ``OSError`` when no answer came.
    """
    for path in RESOURCES:
        group, _, plural = path.rpartition("/")
        task = progress.add_task(plural, total=None)
        where = f"{group}/namespaces/{listed.namespace}/{plural}" if listed.namespace else path
        query: Mapping[str, str] = {SELECTOR: listed.selector} if listed.selector else EMPTY
        try:
            async for page in pages(client, where, query):
                done = progress.tasks[task].completed + len(page.items)
                progress.update(task, completed=done, total=done + (page.remaining or 0))
                for item in page.items:
                    if plural == "pods":
                        listed.sees_pod(item)
                    if not is_kept(item):
                        yield _lean(item)
        except ApiError as error:
            unread[plural] = str(error)


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """Show the progress of the lists on a terminal, on standard error, until they end."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    console = Console(file=progress_stream())
    with Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as progress:
        yield progress


def is_kept(item: Mapping[str, Any]) -> bool:
    """Say whether a controller that is listed itself made the object."""
    return text(controlling_owner(item).get("kind")) in LISTED_KINDS


def _lean(item: dict[str, Any]) -> dict[str, Any]:
    # As kubectl get prints it: the managed fields are not needed here, and are half of the object.
    return {**item, "metadata": {key: value for key, value in metadata(item).items() if key != "managedFields"}}
