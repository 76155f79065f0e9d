"""What stays is taken from the collector; what is free goes back to the system."""

import asyncio
import ctypes
import gc
import itertools
import weakref
from collections.abc import Iterator

import pytest

from webhook.server import memory
from webhook.server.memory import settle


class Ring:
    """An object that refers to itself, so that only the collector frees it."""

    def __init__(self) -> None:
        self.ring = self


@pytest.fixture(autouse=True)
def _thawed() -> Iterator[None]:
    """Leave the collector as it was."""
    yield
    gc.unfreeze()


@pytest.mark.parametrize("library", [ctypes.CDLL, lambda _: object()], ids=["glibc", "another"])
def test_garbage_goes_before_the_rest_is_frozen(library: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a C library that can give memory back, and without."""
    monkeypatch.setattr("ctypes.CDLL", library)
    kept, garbage = Ring(), weakref.ref(Ring())
    gc.unfreeze()
    settle()
    assert garbage() is None
    assert gc.get_freeze_count() > 0
    assert kept not in gc.get_objects()


async def test_free_memory_is_given_back_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the task is cancelled, as the server ends."""
    calls: list[tuple[str, int]] = []
    pauses = itertools.count()

    async def sleep(seconds: float) -> None:
        assert seconds == memory.TRIM_SECONDS
        if next(pauses) == 3:
            raise asyncio.CancelledError

    monkeypatch.setattr(asyncio, "sleep", sleep)
    monkeypatch.setattr(memory, "_call", lambda name, *arguments: calls.append((name, *arguments)))
    with pytest.raises(asyncio.CancelledError):
        await memory.keep_trimming()
    assert calls == [("malloc_trim", 0)] * 3
