"""If the view lacks the object that matters, read it from the API server, then decide again."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from webhook.decide.decision import Decision, Reason, RequestInfo
from webhook.decide.pod import Pod
from webhook.decide.workload.decide import decide as decide_workload
from webhook.policy.model import Policy
from webhook.view.view import ClusterView

LOOK_SECONDS = 0.3

# With these a RuntimeClass that was created a moment ago would have changed the decision.
CLASS_REASONS = frozenset({Reason.VIEW_STALE, Reason.RUNTIME_CLASS_MISSING})

# An object that a watch reported this recently is not read again.
FRESH_SECONDS = 1.0

# The API server has no other names, so they are not looked up. Any client may send reviews, with any namespace.
# https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-label-names
NAMESPACE_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")

Decide = Callable[[Pod, RequestInfo, Policy, ClusterView], Decision]


class ViewSource(Protocol):
    """Where the server gets its view: the live cluster, or a file."""

    @property
    def view(self) -> ClusterView:
        """The current view, a frozen value."""
        ...

    def object_age_seconds(self, kind: str, name: str) -> float:
        """Return the time since this object was last known current, infinite if never."""
        ...

    def oldest_age_seconds(self) -> float:
        """Return the age of the oldest kind."""
        ...

    async def look(self, kind: str, name: str, timeout_seconds: float) -> bool:
        """Read one object and put the result into the view; False without an answer."""
        ...


@dataclass(frozen=True, slots=True)
class FixedView:
    """A constant view: read from a file, and current unless an age is given."""

    view: ClusterView
    age_seconds: float = 0.0

    def object_age_seconds(self, kind: str, name: str) -> float:  # noqa: ARG002  the protocol's
        """Return the age that was given."""
        return self.age_seconds

    def oldest_age_seconds(self) -> float:
        """Return the age that was given."""
        return self.age_seconds

    async def look(self, kind: str, name: str, timeout_seconds: float) -> bool:  # noqa: ARG002  the protocol's
        """Return False: there is nothing to read."""
        return False


async def decide_live(
    pod: Pod, asked: RequestInfo, policy: Policy, source: ViewSource, decide: Decide = decide_workload
) -> Decision:
    """Decide. If the reason is an unknown object, read it once and decide again.

    ``asked`` are the request's own facts; the view's age is added here. ``decide`` is one of the pure decisions.
    """
    looked: set[tuple[str, str]] = set()
    while True:
        age_seconds = source.object_age_seconds("runtime_classes", policy.runtime_class)
        facts = replace(asked, runtime_classes_age_seconds=age_seconds)
        decision = decide(pod, facts, policy, source.view)
        question = _question(decision, asked, policy)
        if question is None or question in looked or source.object_age_seconds(*question) < FRESH_SECONDS:
            return decision
        looked.add(question)
        await source.look(*question, timeout_seconds=LOOK_SECONDS)


def _question(decision: Decision, asked: RequestInfo, policy: Policy) -> tuple[str, str] | None:
    """Return kind and name of the object that the decision lacked."""
    if decision.reason is Reason.NAMESPACE_UNKNOWN and NAMESPACE_NAME.fullmatch(asked.namespace):
        return ("namespaces", asked.namespace)
    if decision.reason in CLASS_REASONS:
        return ("runtime_classes", policy.runtime_class)
    return None
