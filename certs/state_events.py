"""Telling about a change of state once, however often it is looked at."""

from typing import Protocol


class OnChange(Protocol):
    """Told about each change of state: an event's stable word and its facts, none of them secret."""

    def __call__(self, event: str, /, **facts: object) -> None:
        """Take note."""
        ...


class Changes:
    """Passes a state on when its subject's event or reason is another than at the last look."""

    def __init__(self, on_change: OnChange) -> None:
        self._on_change = on_change
        self._last: dict[str, tuple[str, object]] = {}

    def tell(self, event: str, **facts: object) -> None:
        """Pass an event on in any case."""
        self._on_change(event, **facts)

    def state(self, subject: str, event: str, **facts: object) -> None:
        """Pass the state of a subject on if it changed. `reason` is part of it, the other facts only explain it."""
        if self._last.get(subject) != (event, facts.get("reason")):
            self._last[subject] = (event, facts.get("reason"))
            self._on_change(event, **facts)

    def over(self, subject: str, event: str, **facts: object) -> None:
        """Pass on that the last state of a subject is over; nothing where there was none."""
        if self._last.pop(subject, None):
            self._on_change(event, **facts)

    def forget(self, subject: str) -> None:
        """Let the next state of a subject be told, whatever the last one was."""
        self._last.pop(subject, None)
