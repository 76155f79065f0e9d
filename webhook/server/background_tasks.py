"""The background tasks of a serving process: view, certificate, rounds."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from functools import partial

from webhook.server.decision_log import Log
from webhook.server.listeners import Stop


class TaskDiedError(Exception):
    """A task ended that should never end; the message names it."""


@asynccontextmanager
async def beside(tasks: Mapping[str, Coroutine[None, None, None]], stop: Stop, log: Log) -> AsyncIterator[None]:
    """Run tasks by name until the block ends. A task that ends sooner is logged, and stops the process.

    Without the task, the view or the certificate would become old; a restarted process has a new one. Raises
    TaskDiedError when the block ends, so that the process fails.
    """
    died: list[str] = []
    running = [asyncio.create_task(task, name=name) for name, task in tasks.items()]
    for task in running:
        task.add_done_callback(partial(_ended, died=died, stop=stop, log=log))
    try:
        yield
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    if died:
        raise TaskDiedError(", ".join(died))


def _ended(task: asyncio.Task[None], *, died: list[str], stop: Stop, log: Log) -> None:
    if task.cancelled() or (stop.asked.is_set() and not task.exception()):
        return
    log.critical("task-died", task=task.get_name(), exc_info=task.exception())
    died.append(task.get_name())
    stop.asked.set()
