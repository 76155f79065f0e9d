"""Reports each change of state once, however often the state is read."""

from typing import Protocol


class OnChange(Protocol):
    """A callback for a change of state: the event's stable word and its facts, none of them secret."""

    def __call__(self, event: str, /, **facts: object) -> None:
        """Handle one event."""
        ...


class StateEvents:
    """Emits the state of a subject when its event or its reason has changed since the last report."""

    def __init__(self, on_change: OnChange) -> None:
        self._on_change = on_change
        self._last: dict[str, tuple[str, object]] = {}

    def emit(self, event: str, **facts: object) -> None:
        """Emit an event in any case."""
        self._on_change(event, **facts)

    def report(self, subject: str, event: str, **facts: object) -> None:
        """Emit the state of a subject if it changed. `reason` is part of the state; other facts only explain it."""
        if self._last.get(subject) != (event, facts.get("reason")):
            self._last[subject] = (event, facts.get("reason"))
            self._on_change(event, **facts)

    def resolve(self, subject: str, event: str, **facts: object) -> None:
        """Emit that the last state of a subject has ended; nothing if there was none."""
        if self._last.pop(subject, None):
            self._on_change(event, **facts)

    def forget(self, subject: str) -> None:
        """Emit the next state of a subject even if it equals the last one."""
        self._last.pop(subject, None)
