"""A task beside the listeners that ends by itself ends the process, and says so."""

import asyncio
from collections.abc import Callable, Coroutine

import pytest
from structlog.testing import capture_logs

from webhook.server.background_tasks import TaskDiedError, beside
from webhook.server.decision_log import open_log
from webhook.server.listeners import Stop


async def _fails() -> None:
    raise ValueError("a fault of ours")


async def _returns() -> None:
    return


async def _goes_on() -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize("task", [_fails, _returns])
async def test_a_task_that_ends_by_itself_asks_to_stop(task: Callable[[], Coroutine[None, None, None]]) -> None:
    """Logged with its name, drained, and no good end."""
    stop, log = Stop(), open_log()
    with capture_logs() as logs, pytest.raises(TaskDiedError, match=r"^view$"):
        async with beside({"view": task(), "certificate": _goes_on()}, stop, log):
            await stop.asked.wait()
    assert [(line["event"], line["task"], line["log_level"]) for line in logs] == [("task-died", "view", "critical")]


async def test_a_task_that_ends_after_the_stop_is_in_order() -> None:
    """Some have nothing left to do then."""
    stop = Stop()

    async def waits() -> None:
        await stop.asked.wait()

    async with beside({"stop-writing": waits(), "view": _goes_on()}, stop, open_log()):
        stop.asked.set()
        await asyncio.sleep(0)
