"""An eviction that was asked for. A pure value."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Eviction:
    """An eviction that was asked for: the UIDs of the pod and of its DaemonSet, and when."""

    pod: str
    daemon_set: str
    at: datetime


Ledger = Mapping[str, Eviction]
"""The evictions of the last hour, by node."""
