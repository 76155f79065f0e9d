"""The handler of NVIDIA's runtime that nodes have in common: a RuntimeClass that is missing could use it."""

from collections.abc import Iterable

NVIDIA = "nvidia"


def common_handler(reported: Iterable[frozenset[str] | None], class_name: str) -> str:
    """Return NVIDIA's handler that all nodes report; empty for none, for an unknown one, and without nodes.

    A handler with the name of the class comes first, then ``nvidia``.
    """
    every = list(reported)
    known = [handlers for handlers in every if handlers is not None]
    if not known or len(known) < len(every):
        return ""
    shared = {name for name in frozenset.intersection(*known) if name.startswith(NVIDIA)}
    return min(shared, key=lambda name: (name != class_name, name != NVIDIA, name), default="")
