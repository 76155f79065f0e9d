"""Setbacks: recipes of ours that failed on a node. Pure values, and the question that a decision asks of them.

A setback only ever takes a recipe away. It counts until its time is over, or until the node boots, changes its kind,
or the policy changes, or a later pod runs with the recipe.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple, Protocol

from webhook.observations.plugin_observation import HostKind
from webhook.observations.setback_lifetime import has_expired

MAX_SETBACKS = 1000
MAX_TEXT = 300


class SetbackKind(StrEnum):
    """How the recipe failed, as the status of the pod shows it."""

    BLOCKED = "blocked"
    """The pod's containers were never created: its sandbox or its volumes cannot be made."""
    START_FAILED = "start-failed"
    """The runtime cannot create or start a container."""
    CRASHING = "crashing"
    """The plugin ends again and again."""
    NO_GPU = "no-gpu"
    """The pod is Ready, and the node's capacity has no GPU."""


class SetbackKey(NamedTuple):
    """What a setback holds for; ``recipe`` is ``runtime-class``, ``driver-root`` or ``nvml``."""

    namespace: str
    daemon_set: str
    node: str
    recipe: str


@dataclass(frozen=True, slots=True)
class Setback:
    """One failure of a recipe on a node. ``text`` is what the node said, for people: no decision reads it.

    ``pod`` is the UID of the pod that failed last, ``released`` says that this pod may have been deleted already.
    """

    key: SetbackKey
    kind: SetbackKind
    text: str
    at: datetime
    until: datetime
    repetitions: int = 1
    boot_id: str = ""
    host: HostKind = field(default_factory=HostKind)
    pod: str = ""
    released: bool = False

    def to_json(self) -> dict[str, object]:
        """Return the setback as ``/state`` shows it: times in seconds since the epoch."""
        return {
            **self.key._asdict(),
            "kind": self.kind,
            "text": self.text,
            "since": self.at.timestamp(),
            "until": self.until.timestamp(),
            "repetitions": self.repetitions,
            "released": self.released,
        }


class SetbackNode(Protocol):
    """What a setback is compared with: the node as it is now."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def boot_id(self) -> str: ...  # noqa: D102
    @property
    def host(self) -> HostKind: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Setbacks:
    """All setbacks under one policy; ``expired`` are those whose time is over: only their repetitions still count.

    ``policy`` is the fingerprint of that policy.
    """

    entries: Mapping[SetbackKey, Setback] = field(default_factory=lambda: MappingProxyType({}))
    expired: frozenset[SetbackKey] = frozenset()
    policy: str = ""

    def failed(self, namespace: str, daemon_set: str, node: SetbackNode, recipe: str) -> Setback | None:
        """Return the failure of a recipe for a DaemonSet (by name) on a node, None where none counts now."""
        key = SetbackKey(namespace, daemon_set, node.name, recipe)
        found = self.entries.get(key)
        return found if found and key not in self.expired and holds_on(found, node) else None

    def failed_nodes(self, recipe: str, nodes: Mapping[str, SetbackNode]) -> frozenset[str]:
        """Return the names of the nodes on which a recipe failed for some DaemonSet, and the failure counts now."""
        found = ((one, nodes.get(one.key.node)) for one in self.current() if one.key.recipe == recipe)
        return frozenset(node.name for one, node in found if node is not None and holds_on(one, node))

    def current(self) -> Iterator[Setback]:
        """Yield the setbacks whose time is not over."""
        return (found for key, found in self.entries.items() if key not in self.expired)

    def updated(self, newer: "Setbacks") -> "Setbacks":
        """Return the setbacks of both; where both have one the newer value counts."""
        expired = (self.expired - newer.entries.keys()) | newer.expired
        return Setbacks({**self.entries, **newer.entries}, expired, newer.policy)

    def under(self, policy: str) -> "Setbacks":
        """Return the setbacks for a policy: none, if they are those of another one."""
        return self if self.policy == policy else Setbacks(policy=policy)

    def as_of(self, now: datetime) -> "Setbacks":
        """Return the setbacks with what has expired by now; the same value if nothing new has."""
        expired = frozenset(key for key, found in self.entries.items() if has_expired(found.until, now))
        return self if expired == self.expired else Setbacks(self.entries, expired, self.policy)


NO_SETBACKS = Setbacks()


def holds_on(found: Setback, node: SetbackNode) -> bool:
    """Say whether a node is still as it was at the failure: the same boot, and the same kind."""
    return (found.boot_id, found.host) == (node.boot_id, node.host)
