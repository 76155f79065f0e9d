"""A client that shows on a progress bar how far the lists have come that it reads."""

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

from rich.progress import Progress, TaskID

from webhook.kube_client.answer import Answer
from webhook.kube_client.client import CALL_SECONDS, JSON, KubeClient

# The API server writes the list's metadata before its items.
REMAINING = re.compile(rb'"remainingItemCount": ?(\d{1,12})')
HEAD_BYTES = 4096


class ProgressClient(KubeClient):
    """Sends requests by another client; each list that has more than one page gets a bar."""

    def __init__(self, client: KubeClient, progress: Progress) -> None:
        self._client, self._progress = client, progress
        self._tasks: dict[str, TaskID] = {}

    def configuration(self) -> Any:  # noqa: ANN401 - as in KubeClient
        """Return the other client's configuration."""
        return self._client.configuration()

    async def exchange(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        content_type: str = JSON,
        timeout_seconds: float = CALL_SECONDS,
    ) -> Answer:
        """Send a request; for a page of a list, show how many objects follow."""
        answer = await self._client.exchange(
            method, path, body=body, content_type=content_type, timeout_seconds=timeout_seconds
        )
        parts = urlsplit(path)
        limit = parse_qs(parts.query).get("limit", [""])[0]
        if limit.isdecimal():
            self._show(parts.path.rpartition("/")[2], int(limit), answer.body[:HEAD_BYTES])
        return answer

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
