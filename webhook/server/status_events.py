"""Events of a replica's parts (watches, certificates): each is logged, and the last one of each subject is kept."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from webhook.server.decision_log import Log
from webhook.status_words import reports_problem

REGISTRATION = "registration"

# The facts that name the subject of an event; the others say what happened to it.
ABOUT = ("kind", "registration", "namespace", "labelSelector")


@dataclass(frozen=True, slots=True)
class Event:
    """The last event of one subject, and since when (seconds since the epoch)."""

    name: str
    since: float
    facts: Mapping[str, object]

    @property
    def is_problem(self) -> bool:
        """Say whether an administrator should read it."""
        return reports_problem(self.name)

    def to_json(self) -> dict[str, Any]:
        """Return the event as ``/state`` shows it."""
        return {"event": self.name, "since": self.since, "facts": {key: str(fact) for key, fact in self.facts.items()}}


# A reason may quote another program's answer.
FACT_LIMIT = 1000


def _bounded(fact: object) -> object:
    return f"{fact[: FACT_LIMIT - 1]}…" if isinstance(fact, str) and len(fact) > FACT_LIMIT else fact


class StatusEvents:
    """Logs and keeps events. A subject is an event's first word, with the facts in ``ABOUT``."""

    def __init__(self, log: Log, clock: Callable[[], float] = time.time) -> None:
        self._log = log
        self._clock = clock
        self._last: dict[tuple[object, ...], Event] = {}

    def __call__(self, event: str, /, **facts: object) -> None:
        """Log an event, as a warning if it is a problem."""
        facts = {key: _bounded(fact) for key, fact in facts.items()}
        last = Event(event, self._clock(), facts)
        (self._log.warning if last.is_problem else self._log.info)(event, **facts)
        subject = event.partition("-")[0]
        self._last[subject, *map(facts.get, ABOUT)] = last

    def problems(self) -> list[Event]:
        """Return the current problems, the oldest first."""
        return sorted((event for event in list(self._last.values()) if event.is_problem), key=lambda event: event.since)

    def registration(self) -> str:
        """Return the last known state of the registrations: ours, absent, foreign or unreadable; empty before that."""
        last = self._last.get((REGISTRATION, *(None for _ in ABOUT)))
        return last.name.removeprefix(f"{REGISTRATION}-") if last else ""
