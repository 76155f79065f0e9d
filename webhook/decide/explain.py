"""The rows of a decision one by one, with what each looked at: for people who ask why.

Deciding never comes here. A row that passes says nothing while it decides; what it saw is told afterwards, from the
same case, by the function that stands beside it in ``looked_at`` or ``looked_at_plugin``.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from webhook.decide import bootstrap, fallback, looked_at, looked_at_plugin, workload
from webhook.decide.case import Case, RequestFacts
from webhook.decide.decision import Finding
from webhook.decide.plugin_case import PluginCase
from webhook.decide.pod import Pod
from webhook.decide.rows_of_cluster import fallback_of
from webhook.policy.model import Policy
from webhook.view.view import ClusterView

C = TypeVar("C")


@dataclass(frozen=True, slots=True)
class Step:
    """One row: its name, the rule that it holds, what it looked at, and what it found (None: it went on).

    A row that was not ``tried``, since one before it had decided, has looked at nothing.
    """

    row: str
    rule: str
    evidence: tuple[str, ...] = ()
    finding: Finding | None = None
    tried: bool = True


def explain(pod: Pod, facts: RequestFacts, policy: Policy, view: ClusterView) -> tuple[Step, ...]:
    """Return the rows of ``workload.decide`` for the same arguments; those of the fallback stand after its own."""
    case = Case.of(pod, facts, policy, view)
    steps = list(_steps(case, workload.ROWS, looked_at.LOOKED_AT))
    if steps[-1].tried:
        steps[-1:] = _steps(fallback_of(case), fallback.ROWS, looked_at.FALLBACK_LOOKED_AT)
    return tuple(steps)


def explain_bootstrap(pod: Pod, facts: RequestFacts, policy: Policy, view: ClusterView) -> tuple[Step, ...]:
    """Return the rows of ``bootstrap.decide_bootstrap`` for the same arguments."""
    case = PluginCase.of(Case.of(pod, facts, policy, view))
    return tuple(_steps(case, bootstrap.ROWS, looked_at_plugin.LOOKED_AT))


def _steps(
    case: C,
    rows: Iterable[Callable[[C], Finding | None]],
    seen: Mapping[Callable[[C], Finding | None], Callable[[C], Iterable[str]]],
) -> Iterator[Step]:
    finding: Finding | None = None
    for row in rows:
        name, rule = row.__name__.replace("_", " "), (row.__doc__ or "").strip()
        if finding:
            yield Step(name, rule, tried=False)
            continue
        finding = row(case)
        yield Step(name, rule, finding.evidence if finding else tuple(seen[row](case)), finding)
