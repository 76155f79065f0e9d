"""The heartbeat: does the API server call us, and for what? Only the holder of the Lease asks.

Once a minute a ConfigMap is only tried (a server-side dry-run); the mark in the answer shows that the API server called
the webhook. The registrations are read back and compared with what this version renders. Nothing is stored.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from certs.api import REGISTRATION_KINDS, Installation
from certs.certificate import KeyPair
from certs.state_events import StateEvents
from webhook.controllers.heartbeat_history import HeartbeatHistory
from webhook.controllers.leadership import Leadership
from webhook.controllers.own_events import OwnEvents
from webhook.controllers.registration_check import RegistrationCheck, Registrations
from webhook.controllers.reported_step import reported_step
from webhook.kube_client.api_error import ApiError
from webhook.kube_client.client import KubeClient
from webhook.kube_client.clock import Clock
from webhook.names import HEARTBEAT_ENTRY
from webhook.policy.model import Policy
from webhook.registration.causes import Evidence, cause_of
from webhook.registration.heartbeat_object import HeartbeatOutcome, heartbeat_object, marked_by
from webhook.server.heartbeat_status import HeartbeatStatus

BEAT_SECONDS = 60.0
# A heartbeat that was missed is repeated soon, and so is a look at a registration that changed.
REPEAT_SECONDS = 15.0
ANSWER_SECONDS = 20.0
# Of what other programs say or choose.
TEXT_LIMIT, NAME_LIMIT = 400, 80


@dataclass(frozen=True, slots=True, kw_only=True)
class HeartbeatParts:
    """What the heartbeat of one replica works with. ``connect`` opens a client with a connection of its own.

    ``leaf`` returns the certificate that is served, ``refusals`` how often a client refused it. ``readiness`` returns
    why this replica is not ready, ``platform`` how the labels of the cluster's nodes start (PLATFORMS knows them).
    ``foreign_is_known`` says whether the certificate's source reports foreign entries by itself.
    """

    client: KubeClient
    connect: Callable[[], AbstractAsyncContextManager[KubeClient]]
    installation: Installation
    policy: Policy
    leadership: Leadership
    events: OwnEvents
    status: HeartbeatStatus
    state_events: StateEvents
    leaf: Callable[[], KeyPair | None]
    refusals: Callable[[], int]
    foreign_is_known: Callable[[], bool]
    readiness: Callable[[], str]
    platform: Callable[[], str]
    clock: Clock
    port: int = 8443


@dataclass(frozen=True, slots=True)
class _Beat:
    outcome: HeartbeatOutcome
    text: str = ""
    calls: int = 0
    refusals: int = 0
    seconds: float = 0.0


class Heartbeat:
    """The rounds of one replica, ``seconds`` apart."""

    def __init__(self, parts: HeartbeatParts, seconds: float = BEAT_SECONDS) -> None:
        self._parts, self._seconds = parts, seconds
        self._check = RegistrationCheck(parts.client, parts.installation, parts.policy)
        self._history = HeartbeatHistory()
        self._seen: tuple[str, ...] = ()
        self._stopped = False
        parts.status.state = "unknown"

    def stop(self) -> None:
        """Send nothing from now on (SIGTERM)."""
        self._stopped = True

    async def run(self, synced: asyncio.Event) -> None:
        """Make one round after the other, once the view is complete, until cancelled."""
        await synced.wait()
        while True:
            await self.round()
            await self._parts.clock.sleep(self.pause_seconds() * self._parts.clock.uniform(0.9, 1.1))

    def pause_seconds(self) -> float:
        """Return the time until the next round: short while something is in doubt."""
        is_doubtful = self._history.is_doubtful or self._seen != self._parts.status.drift
        return min(self._seconds, REPEAT_SECONDS) if is_doubtful else self._seconds

    async def round(self) -> None:
        """Send one heartbeat and read the registrations back, if this replica holds the Lease."""
        if self._stopped:
            return
        with reported_step(self._parts.state_events, "beats"):
            is_leader = await self._parts.leadership.hold()
            await (self._lead() if is_leader else self._follow())

    async def _follow(self) -> None:
        status = self._parts.status
        self._history, self._seen = HeartbeatHistory(), ()
        status.state, status.cause, status.drift, status.foreign_entries = "standby", "", (), None
        for subject, word in (("heartbeat", "heartbeat"), ("entry", "entry"), ("foreign", "entries")):
            self._parts.state_events.resolve(subject, f"{word}-standby")

    async def _lead(self) -> None:
        beat = await self._beat()
        self._history = self._history.after(beat.outcome)
        registrations, unreadable = await self._check.read()
        foreign = () if unreadable else self._compare(registrations)
        self._conclude(beat, registrations, unreadable)
        # Events come last: without the right to create them everything else is reported all the same.
        await self._record(foreign)

    async def _beat(self) -> _Beat:
        """Send one heartbeat over a new connection: each may reach another API server."""
        parts, status = self._parts, self._parts.status
        namespace = parts.installation.namespace
        before, started = (status.calls, parts.refusals()), parts.clock.monotonic()
        outcome, said = HeartbeatOutcome.MISSED, ""
        try:
            async with parts.connect() as client:
                path, item = f"/api/v1/namespaces/{namespace}/configmaps", heartbeat_object(namespace)
                answer, _ = await client.try_create(path, item, timeout_seconds=ANSWER_SECONDS)
            if marked_by(answer):
                outcome = HeartbeatOutcome.ANSWERED
        except ApiError as error:
            # With another failurePolicy the API server says why it could not call us.
            outcome = HeartbeatOutcome.MISSED if HEARTBEAT_ENTRY in error.message else HeartbeatOutcome.REFUSED
            said = error.for_people[:TEXT_LIMIT]
        except OSError as error:
            outcome, said = HeartbeatOutcome.UNKNOWN, type(error).__name__
        seconds = parts.clock.monotonic() - started
        return _Beat(outcome, said, status.calls - before[0], parts.refusals() - before[1], seconds)

    def _conclude(self, beat: _Beat, registrations: Registrations, unreadable: str) -> None:
        """Set the state of the heartbeat, and log it if it changed."""
        parts, status = self._parts, self._parts.status
        if beat.outcome is HeartbeatOutcome.ANSWERED:
            status.last_success = parts.clock.now().timestamp()
        if self._history.is_broken:
            if beat.outcome is HeartbeatOutcome.MISSED:
                status.cause = beat.text or cause_of(self._evidence(beat, registrations, unreadable))
            status.state = "missed"
            parts.state_events.report("heartbeat", "heartbeat-missed", reason=status.cause)
            return
        if beat.outcome is HeartbeatOutcome.MISSED:
            # One alone may be chance; the next one comes soon.
            return
        status.state, status.cause = str(beat.outcome), beat.text
        if beat.outcome is HeartbeatOutcome.REFUSED:
            # Not a problem of ours: a quota or a policy does not allow the ConfigMap.
            parts.state_events.report("heartbeat", "heartbeat-rejected", reason=beat.text)
        elif beat.outcome is HeartbeatOutcome.ANSWERED:
            parts.state_events.resolve("heartbeat", "heartbeat-recovered")

    def _evidence(self, beat: _Beat, registrations: Registrations, unreadable: str) -> Evidence:
        parts = self._parts
        registration = registrations.get(REGISTRATION_KINDS[0])
        return Evidence(
            policy=parts.policy,
            home=parts.installation.namespace,
            registration=registration,
            unreadable=unreadable,
            accepts=self._check.accepts(registration, parts.leaf(), parts.clock.now()),
            calls=beat.calls,
            refusals=beat.refusals,
            not_ready=parts.readiness(),
            seconds=beat.seconds,
            platform=parts.platform(),
            port=parts.port,
        )

    def _compare(self, registrations: Registrations) -> tuple[str, ...]:
        """Set how the registrations differ from this version, and return the names of foreign entries.

        A second look confirms a change: an upgrade may be under way.
        """
        parts, status = self._parts, self._parts.status
        drift, foreign = self._check.compare(registrations)
        confirmed = drift if drift == self._seen else status.drift
        self._seen, status.drift = drift, confirmed
        if confirmed:
            parts.state_events.report("entry", "entry-drifted", reason="; ".join(confirmed)[:TEXT_LIMIT])
        else:
            parts.state_events.resolve("entry", "entry-recovered")
        status.foreign_entries = len(foreign)
        if foreign and not parts.foreign_is_known():
            parts.state_events.report("foreign", "entries-foreign", reason=_some(foreign))
        else:
            parts.state_events.resolve("foreign", "entries-recovered")
        return foreign

    async def _record(self, foreign: Sequence[str]) -> None:
        """Record Events of what is wrong, and that it is over. Raises ApiError, OSError."""
        status, events = self._parts.status, self._parts.events
        unpatched = "the API server does not call the webhook, so GPU pods are created unpatched"
        await events.record("NotCalled", f"{unpatched}: {status.cause}" if status.state == "missed" else "")
        changed = "; ".join(status.drift)
        await events.record("RegistrationChanged", f"not as this version registers them: {changed}" if changed else "")
        stolen = f"send requests of the API server to another server: {_some(foreign)}. See docs/security.md."
        await events.record("ForeignEntries", f"entries of our registrations {stolen}" if foreign else "")


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""  # noqa: PLR2004 - as many as a line holds
    return ", ".join(name[:NAME_LIMIT] for name in names[:3]) + more
