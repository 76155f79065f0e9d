"""A requested eviction. A pure value."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Eviction:
    """A requested eviction: the UIDs of the pod and of its DaemonSet, and the time."""

    pod: str
    daemon_set: str
    at: datetime


History = Mapping[str, Eviction]
"""The evictions of the last hour, by node."""
