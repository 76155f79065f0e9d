"""One fact about a cluster: its value, or why it could not be read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

ApiObject = Mapping[str, Any]
Objects = tuple[ApiObject, ...]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Unread:
    """A fact that could not be read, and why, as the API server said it."""

    why: str


class CannotTellError(Exception):
    """A check met a fact that could not be read: its result is unknown, whatever else it has seen."""


def known(fact: T | Unread) -> T:
    """Return a fact; raises CannotTellError where it could not be read. There is no other way to one."""
    if isinstance(fact, Unread):
        raise CannotTellError(fact.why)
    return fact


@dataclass(frozen=True, slots=True)
class DryRun:
    """What became of a GPU pod that the API server was only asked about: our word for it, or why it was refused.

    ``word`` is our annotation or, in dry-run, our warning; empty where the webhook said nothing.
    """

    namespace: str
    word: str = ""
    refusal: str = ""


NOT_ASKED = Unread("not asked for")
