"""Reads the Secret and the registrations for one replica, and remembers what it saw and since when.

Times are seconds of a monotonic clock. They are never compared between replicas, whose clocks differ.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from cryptography import x509

from certs.api import REGISTRATION_KINDS, Installation
from certs.certificate import fingerprint
from certs.rotation import RotationState
from certs.secret_content import SecretContent
from certs.secret_store import StoredSecret, read_secret
from certs.state_events import StateEvents
from certs.webhook_configs import Registration, authorities_of, read_registrations, state_of
from webhook.kube_client.api_error import ApiError
from webhook.kube_client.client import KubeClient
from webhook.kube_client.clock import Clock

# Of the names of foreign entries, which others choose.
SHOWN_NAMES, SHOWN_LENGTH = 5, 80


@dataclass(frozen=True, slots=True)
class Reading:
    """What the API server returned. The registrations were read before the Secret; None if they are unreadable."""

    registrations: tuple[Registration, ...] | None
    stored: StoredSecret
    state: RotationState


class AuthorityHistory:
    """Since when this replica has seen each authority in every entry, and the current leaf in the Secret."""

    def __init__(self) -> None:
        self._registered: dict[str, float] = {}
        self._leaf: tuple[bytes, float] | None = None

    def see_registered(self, registered: Sequence[Sequence[x509.Certificate]], at: float) -> None:
        """Record the authorities that all entries contain; one that is missing from any entry starts again."""
        entries = [{fingerprint(authority) for authority in authorities} for authorities in registered]
        everywhere = set.intersection(*entries) if entries else set()
        self._registered = {authority: self._registered.get(authority, at) for authority in everywhere}

    def settled(self, at: float, settle: timedelta) -> frozenset[str]:
        """Fingerprints of the authorities that have been in every entry for the settling time."""
        since = at - settle.total_seconds()
        return frozenset(authority for authority, seen in self._registered.items() if seen <= since)

    def leaf_age(self, leaf: bytes, at: float) -> timedelta:
        """How long this replica has seen this leaf in the Secret."""
        if self._leaf is None or self._leaf[0] != leaf:
            self._leaf = (leaf, at)
        return timedelta(seconds=at - self._leaf[1])


class StateReader:
    """Reads the Secret and the registrations. Remembers the last good Secret and the history of authorities."""

    def __init__(
        self, client: KubeClient, installation: Installation, *, who: str, clock: Clock, events: StateEvents
    ) -> None:
        self.history = AuthorityHistory()
        self._client, self._installation, self._who = client, installation, who
        self._clock, self._events = clock, events
        self._memory: SecretContent | None = None

    async def read(self, settle: timedelta) -> Reading:
        """Read the registrations, then the Secret. Raises ApiError if the Secret may not be read, OSError."""
        registrations = await self._read_registrations()
        # Taken after the answer: an authority may only count as seen later than it was really there, never earlier.
        at = self._clock.monotonic()
        if registrations is not None:
            self.history.see_registered(authorities_of(registrations), at)
        stored = await read_secret(self._client, self._installation)
        state = self._rotation_state(registrations, stored, at, settle)
        if state.issued_by:
            self._memory = stored.content
        return Reading(registrations, stored, state)

    def _rotation_state(
        self, registrations: tuple[Registration, ...] | None, stored: StoredSecret, at: float, settle: timedelta
    ) -> RotationState:
        leaf = stored.content.leaf.certificate if stored.content else b""
        return RotationState(
            secret=stored.content,
            problem=stored.problem,
            memory=self._memory,
            registered=None if registrations is None else authorities_of(registrations),
            settled=self.history.settled(at, settle),
            leaf_age=self.history.leaf_age(leaf, at),
            names=self._installation.names,
            who=self._who,
            now=self._clock.now(),
        )

    async def _read_registrations(self) -> tuple[Registration, ...] | None:
        try:
            found = await read_registrations(self._client, self._installation)
        except ApiError as error:
            self._events.report("registration", "registration-unreadable", reason=error.with_request)
            return None
        self._events.report("registration", f"registration-{state_of(found)}")
        self._report_foreign(dict.fromkeys(REGISTRATION_KINDS, ()) | {one.kind: one.foreign for one in found})
        return found

    def _report_foreign(self, foreign: Mapping[str, tuple[str, ...]]) -> None:
        """Report foreign entries in our registrations: such an entry can read every Secret that is written."""
        for kind, names in foreign.items():
            subject = f"{kind} foreign"
            if not names:
                self._events.resolve(subject, "entries-recovered", registration=kind)
                continue
            shown = ", ".join(name[:SHOWN_LENGTH] for name in names[:SHOWN_NAMES])
            more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
            why = "they send requests of the API server to another server: see docs/security.md"
            self._events.report(subject, "entries-foreign", reason=f"{shown}{more}", registration=kind, why=why)
