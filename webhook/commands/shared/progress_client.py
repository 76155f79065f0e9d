"""A client that shows its progress through long lists."""

import re
from urllib.parse import parse_qs, urlsplit

from rich.progress import Progress, TaskID

from webhook.kube_client.answer import Answer
from webhook.kube_client.client import KubeClient
from webhook.kube_client.wrapped_client import ForwardingClient

# The API server writes the list's metadata before its items.
REMAINING = re.compile(rb'"remainingItemCount": ?(\d{1,12})')
HEAD_BYTES = 4096


class ProgressClient(ForwardingClient):
    """Forwards requests; each list of more than one page gets a progress bar."""

    def __init__(self, client: KubeClient, progress: Progress) -> None:
        super().__init__(client)
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def answered(self, method: str, path: str, answer: Answer, /) -> None:  # noqa: ARG002 - only reads have a limit
        """For a page of a list, show how many objects follow."""
        parts = urlsplit(path)
        limit = parse_qs(parts.query).get("limit", [""])[0]
        if limit.isdecimal():
            self._show(parts.path.rpartition("/")[2], int(limit), answer.body[:HEAD_BYTES])

    def _show(self, kind: str, page: int, head: bytes) -> None:
        found = REMAINING.search(head)
        remaining = int(found[1]) if found else 0
        if kind not in self._tasks:
            if not remaining:
                return
            self._tasks[kind] = self._progress.add_task(kind, total=None)
        task = self._tasks[kind]
        before = next(one.completed for one in self._progress.tasks if one.id == task)
        done = before + page
        self._progress.update(task, completed=done, total=done + remaining)
