"""The loop that every replica runs: look, serve what may be served, take one step, look again until nothing is due.

There is no leader: a step is a compare-and-swap that one replica wins; the others follow what they read next.
"""

from datetime import timedelta

from cryptography import x509

from certs.api import Installation
from certs.certificate import fingerprint
from certs.leaf_choice import is_own_fault, why_adopt
from certs.rotation import Schedule, Situation
from certs.secret_content import Material
from certs.state_events import Changes, OnChange
from certs.state_reader import Look, Observer
from certs.tls_context import LiveTls, Status
from certs.webhook_configs import state_of
from certs.writer import Writer
from webhook.kube_client.api_error import ApiError, UnauthorizedError
from webhook.kube_client.client import KubeClient
from webhook.kube_client.clock import Clock

# A lost race is looked at again at once, but not for ever.
ROUNDS = 8
FIRST_RETRY_SECONDS = 1.0
# Without a leaf nothing can be served, so the next look comes soon.
LEAFLESS_SECONDS = 5.0


class Keeper:
    """Keeps the builtin certificate of one replica: what is served, the Secret, and the registrations' caBundle.

    `who` is the replica's name; `interval` the time between two looks, to which a tenth of jitter is added or taken.
    """

    def __init__(  # noqa: PLR0913 - each is said by the caller or replaced by a test
        self,
        client: KubeClient,
        installation: Installation,
        *,
        who: str,
        on_change: OnChange,
        schedule: Schedule | None = None,
        clock: Clock | None = None,
        interval: timedelta = timedelta(seconds=50),
        tls: LiveTls | None = None,
    ) -> None:
        self.tls = tls or LiveTls()
        self.status = Status(ready=False, reason="starting")
        self._client, self._installation = client, installation
        self._schedule, self._clock, self._interval = schedule or Schedule(), clock or Clock(), interval.total_seconds()
        self._changes = Changes(on_change)
        self._observer = Observer(client, installation, who=who, clock=self._clock, changes=self._changes)
        self._writer = Writer(client, installation, self._schedule, self._clock, self._changes)
        self._authority: x509.Certificate | None = None
        self._retry_seconds = FIRST_RETRY_SECONDS

    def stop(self) -> None:
        """Write nothing from now on (SIGTERM); looking and serving go on."""
        self._writer.stop()

    async def run(self) -> None:
        """Look at once and then at each interval, sooner after a failure, until cancelled."""
        while True:
            finished = await self._tick_or_tell()
            await self._clock.sleep(self._pause_seconds(finished=finished))

    async def tick(self) -> bool:
        """Look and act until nothing is left to do; False if there still is. Raises ApiError, OSError."""
        for _ in range(ROUNDS):
            look = await self._observer.look(self._schedule.settle)
            self._serve(look)
            if not (await self._writer.advance(look) or await self._writer.register(look)):
                return True
        return False

    async def _tick_or_tell(self) -> bool:
        try:
            finished = await self.tick()
        except ApiError as error:
            self._changes.state("api", "api-refused", reason=error.with_request)
            return False
        except UnauthorizedError as error:
            self._changes.state("api", "api-refused", reason=str(error))
            return False
        except OSError as error:
            self._changes.state("api", "api-unreachable", reason=type(error).__name__)
            return False
        self._changes.state("api", "api-answers")
        return finished

    def _pause_seconds(self, *, finished: bool) -> float:
        if finished and self.tls.leaf is not None:
            self._retry_seconds, pause = FIRST_RETRY_SECONDS, self._interval
        else:
            pause = self._retry_seconds
            self._retry_seconds = min(2 * pause, self._interval)
            if self.tls.leaf is None:
                pause = min(pause, LEAFLESS_SECONDS)
        return pause * self._clock.uniform(0.9, 1.1)

    def _serve(self, look: Look) -> None:
        secret = look.stored.material
        own_fault = False
        if secret is not None:
            self._choose_leaf(secret, look.situation)
            own_fault = is_own_fault(self.tls.leaf, secret, look.situation)
        leaf = self.tls.leaf.parse() if self.tls.leaf else None
        self.status = Status(
            ready=not own_fault,
            reason="leaf-refused" if own_fault else "ok",
            leaf_expires=leaf.not_valid_after_utc if leaf else None,
            authority_expires=self._authority.not_valid_after_utc if self._authority else None,
            registration=state_of(look.registrations),
        )

    def _choose_leaf(self, secret: Material, situation: Situation) -> None:
        why = why_adopt(self.tls.leaf, secret, situation)
        if why is None:
            if self.tls.leaf != secret.leaf:
                self._changes.state("leaf", "leaf-held", reason="authority-not-settled")
            else:
                self._changes.over("leaf", "leaf-recovered")
            return
        try:
            self.tls.present(secret.leaf)
        except ValueError as error:
            self._changes.state("leaf", "leaf-unusable", reason=str(error))
            return
        self._authority = next((one for one in secret.bundle if fingerprint(one) == situation.issued_by), None)
        expires = secret.leaf.parse().not_valid_after_utc.isoformat()
        self._changes.forget("leaf")
        self._changes.tell("leaf-served", reason=why, expires=expires)
