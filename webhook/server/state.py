"""The state of a replica: its view, certificate, registration, and the nodes that it sees."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import islice
from typing import Any

from webhook.decide.nodes.table import node_rows
from webhook.policy.model import Policy
from webhook.server.decide_live import ViewSource
from webhook.server.heartbeat_status import HeartbeatStatus
from webhook.server.status_events import StatusEvents

# The first ones show the problem; a cluster may have one on each of its nodes.
SHOWN_SETBACKS = 100

Readiness = Callable[[], str]
"""Returns why this replica cannot serve; empty if it can."""

Expiries = Callable[[], tuple[float, float]]
"""Returns when leaf and authority expire, in seconds since the epoch; NaN if unknown."""


def no_expiries() -> tuple[float, float]:
    """Return two unknown times."""
    return math.nan, math.nan


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """One process of ``serve``; ``events`` is None without a cluster."""

    name: str
    policy: Policy
    source: ViewSource
    readiness: Readiness = str  # which answers ""
    expiries: Expiries = no_expiries
    events: StatusEvents | None = None
    heartbeat: HeartbeatStatus = field(default_factory=HeartbeatStatus)
    started: float = field(default_factory=time.time)

    def to_json(self) -> dict[str, Any]:
        """Return ``/state``: times in seconds since the epoch, None if unknown."""
        leaf, authority = self.expiries()
        return {
            "replica": self.name,
            "version": version("gpu-injector"),
            "started": self.started,
            "notReady": self.readiness(),
            "runtimeClass": self.policy.runtime_class,
            "dryRun": self.policy.dry_run,
            "viewAgeSeconds": _finite(self.source.oldest_age_seconds()),
            "certificate": {"leafExpires": _finite(leaf), "authorityExpires": _finite(authority)},
            "registration": self.events.registration() if self.events else "none",
            "heartbeat": self.heartbeat.to_json(),
            "problems": [event.to_json() for event in self.events.problems()] if self.events else [],
            "setbacks": [found.to_json() for found in islice(self.source.view.setbacks.current(), SHOWN_SETBACKS)],
            "nodes": [row.to_json() for row in node_rows(self.source.view, self.policy)],
        }


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
