"""Memory, once everything that stays has been loaded."""

import ctypes
import gc


def settle() -> None:
    """Take what was loaded for good, code and first lists, from the garbage collector; give back what is free.

    The collector's passes over all of that would hold requests up for tens of milliseconds each. What loading left
    free is a few MiB, which nobody needs again.
    """
    gc.collect()
    gc.freeze()
    # Of glibc alone: https://man7.org/linux/man-pages/man3/malloc_trim.3.html
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
