"""What the last heartbeats say together: one that is missed may be chance, two of four are not. Pure."""

from dataclasses import dataclass

from webhook.registration.heartbeat_object import HeartbeatOutcome

# With several API servers one in three heartbeats may take the broken path.
WINDOW = 4
MOST_MISSED = 1


@dataclass(frozen=True, slots=True)
class HeartbeatHistory:
    """The last heartbeats, the newest at the end; those that prove nothing are left out."""

    recent: tuple[HeartbeatOutcome, ...] = ()

    def after(self, outcome: HeartbeatOutcome) -> "HeartbeatHistory":
        """Return the history with one more outcome."""
        if outcome not in (HeartbeatOutcome.ANSWERED, HeartbeatOutcome.MISSED):
            return self
        return HeartbeatHistory((*self.recent, outcome)[-WINDOW:])

    @property
    def is_broken(self) -> bool:
        """Whether the API server does not call us, or not always."""
        return self.recent.count(HeartbeatOutcome.MISSED) > MOST_MISSED

    @property
    def is_doubtful(self) -> bool:
        """Whether the next heartbeat should come soon."""
        return HeartbeatOutcome.MISSED in self.recent
