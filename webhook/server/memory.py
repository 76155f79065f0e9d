"""Memory: what is given back when it is free, and what the garbage collector need not look at."""

import asyncio
import ctypes
import gc

# glibc alone has these: https://man7.org/linux/man-pages/man3/mallopt.3.html
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
# More than the 256 KiB that TLS takes for each connection and, for a moment, at each read: mapping those costs more
# than the rest of a review.
MAPPED_BYTES = 512 * 1024
KEPT_FREE_BYTES = 2 * 2**20
TRIM_SECONDS = 1


def map_large_blocks() -> None:
    """Have each large block, such as a hostile body, mapped by itself, so that all of it is returned when it is freed.

    By default glibc raises its threshold to the largest block that was ever freed, and takes the next ones from a heap
    that only grows.
    """
    _call("mallopt", M_MMAP_THRESHOLD, MAPPED_BYTES)
    _call("mallopt", M_TRIM_THRESHOLD, KEPT_FREE_BYTES)


def settle() -> None:
    """Take what was loaded for good, code and first lists, from the garbage collector; give back what is free.

    The collector's passes over all of that would delay requests by tens of milliseconds each. What loading left
    free is a few MiB.
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
    """Call a function of the C library, where it has that."""
    found = getattr(ctypes.CDLL(None), function, None)
    if found is not None:
        found(*arguments)
