"""Writes for one replica: the plan's next step to the Secret, and the Secret's authorities to the caBundles."""

from datetime import timedelta

from certs.api import REGISTRATION_KINDS, Installation
from certs.rotation import Action, RotationStep, Schedule, plan
from certs.rotation_steps import carry_out
from certs.secret_content import SecretContent
from certs.secret_store import StoredSecret, write_secret
from certs.state_events import StateEvents
from certs.state_reader import Reading
from certs.webhook_configs import Registration, Trust, patch_for, patch_registration
from webhook.kube_client.api_error import ApiError
from webhook.kube_client.client import KubeClient
from webhook.kube_client.clock import Clock

# These steps repair what another client broke; the others happen a few times a year, or when a rotation is requested.
REPAIRS = (Action.CREATE, Action.RESTORE)
REPAIR_LIMIT, STEP_LIMIT = 10, 200
REPAIR_PAUSE, STEP_PAUSE = timedelta(minutes=5), timedelta(seconds=15)


class WriteLimit:
    """At most `limit` writes at once, and one more after each `pause`, on a monotonic clock (seconds)."""

    def __init__(self, limit: int, pause: timedelta) -> None:
        self._pause = pause.total_seconds()
        self._most = (limit - 1) * self._pause
        self._full_at = float("-inf")

    def spend(self, at: float) -> bool:
        """Count one write; False if none is left."""
        full_at = max(self._full_at, at)
        if full_at - at > self._most:
            return False
        self._full_at = full_at + self._pause
        return True


class Writer:
    """Writes for one replica: repairs at a limited rate, and nothing after `stop`."""

    def __init__(
        self,
        client: KubeClient,
        installation: Installation,
        schedule: Schedule,
        clock: Clock,
        events: StateEvents,
    ) -> None:
        self._client, self._installation, self._schedule = client, installation, schedule
        self._clock, self._events = clock, events
        self._limits = {"steps": WriteLimit(STEP_LIMIT, STEP_PAUSE)} | {
            subject: WriteLimit(REPAIR_LIMIT, REPAIR_PAUSE) for subject in ("repairs", *REGISTRATION_KINDS)
        }
        self._given: dict[str, Trust] = {}
        self._stopped = False

    def stop(self) -> None:
        """Write nothing from now on."""
        self._stopped = True

    async def advance(self, reading: Reading) -> bool:
        """Take the plan's next step; return whether we or a faster replica changed the Secret. Raises OSError."""
        step = plan(reading.state, self._schedule)
        if step.action is Action.WAIT:
            self._events.report("plan", "waiting", reason=step.reason, why=step.why)
            for problem in ("secret", "steps contested", "repairs contested"):
                self._events.resolve(problem, "secret-recovered")
            return False
        limited_as = "repairs" if step.action in REPAIRS else "steps"
        if self._stopped or not self._may_write("secret", limited_as):
            return False
        return await self._write(step, carry_out(step, reading.state, self._schedule), reading.stored)

    async def register(self, reading: Reading) -> bool:
        """Add missing authorities to every entry of ours; return whether a registration changed. Raises OSError."""
        content = reading.stored.content
        if content is None:
            return False
        trust = Trust(content.bundle, content.retired, reading.state.now - self._schedule.skew)
        # A list, not a generator: the second registration is patched even if the first was.
        return any([await self._give(trust, registration) for registration in reading.registrations or ()])

    async def _write(self, step: RotationStep, content: SecretContent, stored: StoredSecret) -> bool:
        try:
            won = await write_secret(self._client, self._installation, stored, content)
        except ApiError as error:
            # Report it and go on: the caBundle may still need a repair.
            self._events.report("secret", "secret-write-refused", reason=error.with_request, action=str(step.action))
            return False
        event = "secret-written" if won else "secret-race-lost"
        self._events.report("plan", event, reason=step.reason, action=str(step.action), why=step.why)
        return True

    async def _give(self, trust: Trust, registration: Registration) -> bool:
        patch, about = patch_for(registration, trust), {"registration": registration.kind}
        if not patch:
            for problem in (registration.kind, f"{registration.kind} contested"):
                self._events.resolve(problem, "ca-bundle-recovered", **about)
            return False
        # The first time that authorities are missing the registration may be new; later, another client removed them.
        repaired = self._given.get(registration.kind) == trust
        if self._stopped or (repaired and not self._may_write("ca-bundle", registration.kind, **about)):
            return False
        self._given[registration.kind] = trust
        try:
            won = await patch_registration(self._client, self._installation, registration, patch)
        except ApiError as error:
            self._events.report(registration.kind, "ca-bundle-write-refused", reason=error.with_request, **about)
            return False
        event = "ca-bundle-written" if won else "ca-bundle-race-lost"
        reason = "overwritten" if repaired else "authorities-missing"
        self._events.emit(event, reason=reason, **about)
        return True

    def _may_write(self, subject: str, limited_as: str, **about: str) -> bool:
        if self._limits[limited_as].spend(self._clock.monotonic()):
            return True
        why = f"another client undoes these writes repeatedly; from now on one write in {REPAIR_PAUSE}"
        self._events.report(
            f"{limited_as} contested", f"{subject}-contested", reason="undone-too-often", why=why, **about
        )
        return False
