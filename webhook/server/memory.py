"""Memory: return free blocks to the system, and exempt long-lived objects from garbage collection."""

import asyncio
import ctypes
import gc

# Only glibc has these: https://man7.org/linux/man-pages/man3/mallopt.3.html
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
# More than the 256 KiB that TLS takes for each connection and, for a moment, at each read: mapping those costs more
# than the rest of a review.
MAPPED_BYTES = 512 * 1024
KEPT_FREE_BYTES = 2 * 2**20
TRIM_SECONDS = 1


def map_large_blocks() -> None:
    """Map each large block, such as a hostile body, separately, so that it is returned as soon as it is freed.

    By default glibc raises its threshold to the largest block that was ever freed, and takes the next ones from a heap
    that only grows.
    """
    _call("mallopt", M_MMAP_THRESHOLD, MAPPED_BYTES)
    _call("mallopt", M_TRIM_THRESHOLD, KEPT_FREE_BYTES)


def settle() -> None:
    """Exempt long-lived objects (code, first lists) from garbage collection; return free memory to the system.

    Each collection of all of that would delay requests by tens of milliseconds. Loading leaves a few MiB free.
    """
    gc.collect()
    gc.freeze()
    _call("malloc_trim", 0)


async def keep_trimming() -> None:
    """Give back what is free, also between blocks that are in use, until cancelled.

    After many connections or large bodies most of the heap is free, and its end is not. A call takes under 5 ms.
    """
    while True:
        await asyncio.sleep(TRIM_SECONDS)
        _call("malloc_trim", 0)


def _call(function: str, *arguments: int) -> None:
    """Call a function of the C library, if it exists."""
    found = getattr(ctypes.CDLL(None), function, None)
    if found is not None:
        found(*arguments)
