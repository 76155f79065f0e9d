"""What stays is taken from the collector; what is garbage is not kept for ever with it."""

import ctypes
import gc
import weakref
from collections.abc import Iterator

import pytest

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
