"""One replica's look at the API server, and what it remembers from look to look."""

from dataclasses import dataclass
from datetime import timedelta

from certs.api import Installation
from certs.authority_history import Sightings
from certs.rotation import Situation
from certs.secret_content import Material
from certs.secret_store import StoredSecret, read_secret
from certs.state_events import Changes
from certs.webhook_configs import Registration, authorities_of, read_registrations, state_of
from webhook.kube_client.api_error import ApiError
from webhook.kube_client.client import KubeClient
from webhook.kube_client.clock import Clock


@dataclass(frozen=True, slots=True)
class Look:
    """What the API server showed. The registrations were read before the Secret; None if they cannot be read."""

    registrations: tuple[Registration, ...] | None
    stored: StoredSecret
    situation: Situation


class Observer:
    """Looks at the Secret and the registrations, and remembers the last good Secret and since when it saw what."""

    def __init__(
        self, client: KubeClient, installation: Installation, *, who: str, clock: Clock, changes: Changes
    ) -> None:
        self.sightings = Sightings()
        self._client, self._installation, self._who = client, installation, who
        self._clock, self._changes = clock, changes
        self._memory: Material | None = None

    async def look(self, settle: timedelta) -> Look:
        """Read the registrations, then the Secret. Raises ApiError if the Secret may not be read, OSError."""
        registrations = await self._read_registrations()
        # Taken after the answer, so that an authority counts as seen rather later than it was there.
        at = self._clock.monotonic()
        if registrations is not None:
            self.sightings.see_registered(authorities_of(registrations), at)
        stored = await read_secret(self._client, self._installation)
        situation = self._situation(registrations, stored, at, settle)
        if situation.issued_by:
            self._memory = stored.material
        return Look(registrations, stored, situation)

    def _situation(
        self, registrations: tuple[Registration, ...] | None, stored: StoredSecret, at: float, settle: timedelta
    ) -> Situation:
        leaf = stored.material.leaf.certificate if stored.material else b""
        return Situation(
            secret=stored.material,
            trouble=stored.trouble,
            memory=self._memory,
            registered=None if registrations is None else authorities_of(registrations),
            settled=self.sightings.settled(at, settle),
            leaf_age=self.sightings.leaf_age(leaf, at),
            names=self._installation.names,
            who=self._who,
            now=self._clock.now(),
        )

    async def _read_registrations(self) -> tuple[Registration, ...] | None:
        try:
            found = await read_registrations(self._client, self._installation)
        except ApiError as error:
            self._changes.state("registration", "registration-unreadable", reason=error.with_request)
            return None
        self._changes.state("registration", f"registration-{state_of(found)}")
        return found
