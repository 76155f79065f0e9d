"""One fact about a cluster: its value, or why it could not be read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

ApiObject = Mapping[str, Any]
Objects = tuple[ApiObject, ...]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Unread:
    """A fact that could not be read, with the API server's reason."""

    why: str


class CannotTellError(Exception):
    """A check needs a fact that could not be read: its result is unknown."""


def known(fact: T | Unread) -> T:
    """Return a fact; raises CannotTellError if it could not be read. Checks read facts only by this function."""
    if isinstance(fact, Unread):
        raise CannotTellError(fact.why)
    return fact


@dataclass(frozen=True, slots=True)
class DryRun:
    """The result of a dry run of a GPU pod: our decision, or why it was refused.

    ``word`` is our annotation or, in dry-run, our warning; empty if the webhook did not answer.
    """

    namespace: str
    word: str = ""
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class TriedHeartbeat:
    """The replica that marked a heartbeat, empty if none did; ``error`` is what the API server said of the call.

    ``seconds`` is how long the API server took.
    """

    answered_by: str = ""
    error: str = ""
    seconds: float = 0.0


NOT_ASKED = Unread("not asked for")
