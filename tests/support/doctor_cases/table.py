"""The table: ways to make each check of `doctor` say that something is wrong."""

from collections.abc import Callable
from dataclasses import dataclass

from support.doctor_world import Cluster
from webhook.doctor.check import State


@dataclass(frozen=True)
class Case:
    """What is spoilt, the state that the check then has, and what stands in its evidence, or its fix."""

    check: str
    spoil: Callable[[Cluster], object]
    says: str
    state: State = State.FAIL

    def __str__(self) -> str:
        return f"{self.check}-{getattr(self.spoil, '__name__', '').strip('_') or self.says[:20]}"


CASES: list[Case] = []
Spoil = Callable[[Cluster], object]


def spoils(check: str, says: str, state: State = State.FAIL) -> Callable[[Spoil], Spoil]:
    """Add a case to the table."""

    def add(spoil: Spoil) -> Spoil:
        CASES.append(Case(check, spoil, says, state))
        return spoil

    return add
