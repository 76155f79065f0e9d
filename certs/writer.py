"""One replica's writes: the next step of the plan into the Secret, and the Secret's authorities into the caBundles."""

from datetime import timedelta

from certs.api import REGISTRATION_KINDS, Installation
from certs.rotation import Action, Schedule, Step, plan
from certs.rotation_steps import carry_out
from certs.secret_content import Material
from certs.secret_store import StoredSecret, write_secret
from certs.state_events import Changes
from certs.state_reader import Look
from certs.webhook_configs import Registration, Trust, patch_for, patch_registration
from certs.write_limit import Allowance
from webhook.kube_client.api_error import ApiError
from webhook.kube_client.client import KubeClient
from webhook.kube_client.clock import Clock

# These mend what somebody else broke; the other steps come a few times a year, or as often as somebody asks.
REPAIRS = (Action.CREATE, Action.RESTORE)
REPAIR_LIMIT, STEP_LIMIT, WINDOW = 10, 200, timedelta(minutes=50)


class Writer:
    """Writes for one replica, at a limited rate where it repairs, and nothing any more once it was stopped."""

    def __init__(
        self,
        client: KubeClient,
        installation: Installation,
        schedule: Schedule,
        clock: Clock,
        changes: Changes,
    ) -> None:
        self._client, self._installation, self._schedule = client, installation, schedule
        self._clock, self._changes = clock, changes
        limits = {"steps": STEP_LIMIT, "repairs": REPAIR_LIMIT} | dict.fromkeys(REGISTRATION_KINDS, REPAIR_LIMIT)
        self._allowances = {subject: Allowance(limit, WINDOW) for subject, limit in limits.items()}
        self._given: dict[str, Trust] = {}
        self._stopped = False

    def stop(self) -> None:
        """Write nothing from now on."""
        self._stopped = True

    async def advance(self, look: Look) -> bool:
        """Take the plan's next step; whether the Secret was written, by us or by somebody quicker. Raises OSError."""
        step = plan(look.situation, self._schedule)
        if step.action is Action.WAIT:
            self._changes.state("plan", "waiting", reason=step.reason, why=step.why)
            for trouble in ("secret", "steps contested", "repairs contested"):
                self._changes.over(trouble, "secret-recovered")
            return False
        limited_as = "repairs" if step.action in REPAIRS else "steps"
        if self._stopped or not self._may_write("secret", limited_as):
            return False
        return await self._write(step, carry_out(step, look.situation, self._schedule), look.stored)

    async def register(self, look: Look) -> bool:
        """Add to every entry of ours what it lacks; whether a registration was written. Raises OSError."""
        material = look.stored.material
        if material is None:
            return False
        trust = Trust(material.bundle, material.retired, look.situation.now - self._schedule.skew)
        # A list, not a generator: the second is patched even if the first was.
        return any([await self._give(trust, registration) for registration in look.registrations or ()])

    async def _write(self, step: Step, material: Material, stored: StoredSecret) -> bool:
        try:
            won = await write_secret(self._client, self._installation, stored, material)
        except ApiError as error:
            # Told and left: the caBundle may still be in need of repair.
            self._changes.state("secret", "secret-write-refused", reason=error.with_request, action=str(step.action))
            return False
        event = "secret-written" if won else "secret-race-lost"
        self._changes.state("plan", event, reason=step.reason, action=str(step.action), why=step.why)
        return True

    async def _give(self, trust: Trust, registration: Registration) -> bool:
        patch, about = patch_for(registration, trust), {"registration": registration.kind}
        if not patch:
            for trouble in (registration.kind, f"{registration.kind} contested"):
                self._changes.over(trouble, "ca-bundle-recovered", **about)
            return False
        # The first time that a registration lacks this it may be new; later, somebody took it out again.
        repaired = self._given.get(registration.kind) == trust
        if self._stopped or (repaired and not self._may_write("ca-bundle", registration.kind, **about)):
            return False
        self._given[registration.kind] = trust
        try:
            won = await patch_registration(self._client, self._installation, registration, patch)
        except ApiError as error:
            self._changes.state(registration.kind, "ca-bundle-write-refused", reason=error.with_request, **about)
            return False
        event = "ca-bundle-written" if won else "ca-bundle-race-lost"
        reason = "overwritten" if repaired else "authorities-missing"
        self._changes.tell(event, reason=reason, **about)
        return True

    def _may_write(self, subject: str, limited_as: str, **about: str) -> bool:
        if self._allowances[limited_as].spend(self._clock.monotonic()):
            self._changes.forget(f"{limited_as} contested")
            return True
        why = f"somebody undoes what is written again and again; for {WINDOW} it is left as it is"
        self._changes.state(
            f"{limited_as} contested", f"{subject}-contested", reason="undone-too-often", why=why, **about
        )
        return False
