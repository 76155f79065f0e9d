"""A rule of a decision: its name, its sentence for users, its check, the evidence it used, and its outcomes."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from webhook.decide.decision import Reason, Verdict
from webhook.nvidia.own_driver_mounts import HostFile

Context = TypeVar("Context")


@dataclass(frozen=True, slots=True)
class RuleResult:
    """What a rule decided: verdict and reason, the warning for the author, and the evidence.

    ``files`` are what the verdict ``mount`` mounts. ``kept`` says that the pod already carries this decision.
    """

    verdict: Verdict
    reason: Reason
    warning: str = ""
    evidence: tuple[str, ...] = ()
    files: tuple[HostFile, ...] = ()
    kept: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """One decision that a rule can give, as docs/reasons.md explains it: what it means, and what a user can do."""

    verdict: Verdict
    reason: Reason
    meaning: str
    action: str = "nothing"

    @property
    def word(self) -> str:
        """``<verdict>/<reason>``."""
        return f"{self.verdict}/{self.reason}"


@dataclass(frozen=True, slots=True, eq=False)
class Rule(Generic[Context]):
    """One rule. ``check`` returns None where the rule does not apply; ``evidence`` says what it then looked at.

    ``outcomes`` explains each decision once: a rule that shares one with an earlier rule does not repeat it. A rule
    equals only itself: comparing all fields would cost time in each decision.
    """

    name: str
    text: str
    check: Callable[[Context], RuleResult | None]
    evidence: Callable[[Context], Iterable[str]]
    outcomes: tuple[Outcome, ...] = ()


def first_result(rules: Iterable[Rule[Context]], context: Context) -> tuple[Rule[Context], RuleResult]:
    """Return the first rule that applies, with its result. The last rule always applies."""
    return next((rule, result) for rule in rules if (result := rule.check(context)))


def leave(reason: Reason, evidence: str, warning: str = "") -> RuleResult:
    """Return the result that leaves a pod alone."""
    return RuleResult(Verdict.LEAVE, reason, warning, (evidence,))


def leaves(reason: Reason, meaning: str, action: str = "nothing") -> Outcome:
    """Return the outcome that leaves a pod alone."""
    return Outcome(Verdict.LEAVE, reason, meaning, action)


def no_evidence(_: object) -> tuple[str, ...]:
    """Return the evidence of a last rule, which always applies: none is needed."""
    return ()
