"""Find the unread kinds that a decision depends on, by a view that notes which of its fields are read."""

from collections.abc import Callable
from dataclasses import fields
from typing import Any

from webhook.decide.decision import Decision
from webhook.view.projections import FACTS_POD
from webhook.view.view import ClusterView

POLICY = "policy"
KINDS = frozenset(field.name for field in fields(ClusterView))


def is_unknown(view: ClusterView, kind: str) -> bool:
    """Say whether a view has nothing of a kind that could not be read; node facts are empty where they are off."""
    found = getattr(view, kind)
    return not found if kind == FACTS_POD.field else found is None


class _NotingView(ClusterView):
    """A view that notes which kinds were read. It is a subclass, so that every decision accepts it."""

    __slots__ = ("looked_at",)
    looked_at: set[str]

    def __getattribute__(self, name: str) -> Any:  # noqa: ANN401 - any field of the view
        if name in KINDS:
            object.__getattribute__(self, "looked_at").add(name)
        return object.__getattribute__(self, name)


def decide_noting(decide: Callable[[ClusterView], Decision], view: ClusterView) -> tuple[Decision, frozenset[str]]:
    """Return a decision, and the kinds of the view (names of fields) that it read."""
    noting = _NotingView(*(getattr(view, field.name) for field in fields(ClusterView)))
    looked_at: set[str] = set()
    object.__setattr__(noting, "looked_at", looked_at)
    return decide(noting), frozenset(looked_at)
