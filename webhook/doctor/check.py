"""A check: a small pure function of the facts, and its possible results."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from webhook.doctor.cluster_facts import ClusterFacts
from webhook.doctor.fact import CannotTellError


class State(StrEnum):
    """How a check ended. ``unknown`` is never a pass: a user with more rights has to check."""

    PASS = "pass"  # noqa: S105  no password
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a check: the lines of evidence, and the fix: one line, then the content that it asks for."""

    state: State
    evidence: tuple[str, ...] = ()
    fix: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Check:
    """One check: its stable name for scripts and docs/doctor.md. The title says what is true if it passes."""

    name: str
    title: str
    look: Callable[[ClusterFacts], Result]

    def run(self, facts: ClusterFacts) -> Result:
        """Run the check; a fact that could not be read makes the result unknown."""
        try:
            return self.look(facts)
        except CannotTellError as error:
            return Result(State.UNKNOWN, (str(error),))


@dataclass(frozen=True, slots=True)
class Category:
    """Checks about one thing, in the order in which they are read."""

    title: str
    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class CheckOutcome:
    """One check with its result."""

    category: str
    check: Check
    result: Result


def examine(facts: ClusterFacts, categories: Iterable[Category]) -> Iterator[CheckOutcome]:
    """Yield the outcome of every check, in order."""
    for category in categories:
        for check in category.checks:
            yield CheckOutcome(category.title, check, check.run(facts))


def passes(*evidence: str) -> Result:
    """Return a pass."""
    return Result(State.PASS, evidence)


def fails_on(troubles: Iterable[str], *fix: str, otherwise: str = "") -> Result:
    """Return a failure with these problems as evidence; without any, a pass."""
    return _on(State.FAIL, tuple(troubles), fix, otherwise)


def warns_on(troubles: Iterable[str], *fix: str, otherwise: str = "") -> Result:
    """Return a warning with these problems as evidence; without any, a pass."""
    return _on(State.WARN, tuple(troubles), fix, otherwise)


def _on(state: State, troubles: tuple[str, ...], fix: tuple[str, ...], otherwise: str) -> Result:
    if troubles:
        return Result(state, troubles, fix)
    return passes(*([otherwise] if otherwise else []))
