"""Memory that is free goes back to the system while the server runs."""

import asyncio
import itertools

import pytest

from webhook.server import memory


async def test_free_memory_is_given_back_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the task is cancelled, as the server ends."""
    calls: list[tuple[str, int]] = []
    pauses = itertools.count()

    async def sleep(seconds: float) -> None:
        assert seconds == memory.TRIM_SECONDS
        if next(pauses) == 3:
            raise asyncio.CancelledError

    monkeypatch.setattr(memory.asyncio, "sleep", sleep)
    monkeypatch.setattr(memory, "_call", lambda name, *arguments: calls.append((name, *arguments)))
    with pytest.raises(asyncio.CancelledError):
        await memory.keep_trimming()
    assert calls == [("malloc_trim", 0)] * 3


def test_the_c_library_has_what_is_called() -> None:
    """On glibc, for which the image is built; elsewhere nothing is called."""
    memory.map_large_blocks()
    memory.settle()
