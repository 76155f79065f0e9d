"""What a replica knows of the heartbeat, for metrics, ``/state`` and the page; and what reached it."""

import math
import socket
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from prometheus_client import CollectorRegistry, Gauge

from webhook.registration.heartbeat_object import is_heartbeat, mark
from webhook.server.admission_review import Review, allow, patch

STATES = ("answered", "missed", "refused", "unknown", "standby", "off")
"""``standby``: another replica holds the Lease. ``unknown``: not sent yet, or no API server answered."""


@dataclass(slots=True)
class HeartbeatStatus:
    """The last state of one replica. ``last_success`` is in seconds since the epoch, NaN before the first one.

    ``calls`` counts the heartbeats that reached this replica. ``drift`` are the differences between the registrations
    and what this version renders. ``foreign_entries`` is the number of entries that lead to other servers, None if
    it is not known.
    """

    state: str = "off"
    cause: str = ""
    last_success: float = math.nan
    drift: tuple[str, ...] = field(default=())
    foreign_entries: int | None = None
    calls: int = 0

    def register(self, registry: CollectorRegistry) -> None:
        """Show this status in a registry."""
        last_success = Gauge(
            "gpu_injector_heartbeat_last_success_timestamp_seconds",
            "When the API server last called the webhook for a heartbeat of this replica, in seconds since the epoch.",
            registry=registry,
        )
        last_success.set_function(lambda: self.last_success)
        states = Gauge(
            "gpu_injector_heartbeat",
            "The state of the heartbeat on this replica: the state that is true is 1.",
            ("state",),
            registry=registry,
        )
        for state in STATES:
            states.labels(state).set_function(partial(self._is_in, state))
        drift = Gauge(
            "gpu_injector_registration_drift",
            "Differences between the registrations and what this version renders for the policy.",
            registry=registry,
        )
        drift.set_function(lambda: float(len(self.drift)))

    def _is_in(self, state: str) -> float:
        return float(self.state == state)

    def answer(self, review: Review) -> bytes:
        """Count a heartbeat and mark it; let everything else pass as it is."""
        if not is_heartbeat(review.object, review.resource.resource, review.operation):
            return allow(review.uid)
        self.calls += 1
        return patch(review.uid, mark(review.object, socket.gethostname()))

    def to_json(self) -> dict[str, Any]:
        """Return the heartbeat as ``/state`` shows it; times in seconds since the epoch, None if not known."""
        last = self.last_success if math.isfinite(self.last_success) else None
        return {
            "state": self.state,
            "lastSuccess": last,
            "cause": self.cause,
            "drift": list(self.drift),
            "foreignEntries": self.foreign_entries,
        }
