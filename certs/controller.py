"""The loop of every replica: read the state, choose the leaf to serve, take one step; repeat until nothing is due.

There is no leader. Each step is a compare-and-swap that one replica wins; the others follow what they read next.
"""

from datetime import timedelta

from cryptography import x509

from certs.api import Installation
from certs.certificate import fingerprint
from certs.leaf_choice import is_own_fault, why_adopt
from certs.rotation import RotationState, Schedule
from certs.secret_content import SecretContent
from certs.state_events import OnChange, StateEvents
from certs.state_reader import Reading, StateReader
from certs.tls_context import LiveTls, Status
from certs.webhook_configs import foreign_count, state_of
from certs.writer import Writer
from webhook.kube_client.api_error import ApiError, UnauthorizedError
from webhook.kube_client.client import KubeClient
from webhook.kube_client.clock import Clock

# After a lost race the state is read again at once, but only so often.
MAX_READS = 8
FIRST_RETRY_SECONDS = 1.0
# Without a leaf this replica cannot serve, so the next read comes soon.
LEAFLESS_SECONDS = 5.0


class CertificateController:
    """Controls the builtin certificate of one replica: the served leaf, the Secret, and the registrations' caBundle.

    `who` is the replica's name; `interval` is the time between two reads, plus or minus a tenth of jitter.
    """

    def __init__(  # noqa: PLR0913 - each is set by the caller or replaced by a test
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
        self._events = StateEvents(on_change)
        self._reader = StateReader(client, installation, who=who, clock=self._clock, events=self._events)
        self._writer = Writer(client, installation, self._schedule, self._clock, self._events)
        self._authority: x509.Certificate | None = None
        self._retry_seconds = FIRST_RETRY_SECONDS

    def stop(self) -> None:
        """Write nothing from now on (SIGTERM); keep reading and serving."""
        self._writer.stop()

    async def run(self) -> None:
        """Read at once and then at each interval, sooner after a failure, until cancelled."""
        while True:
            finished = await self._tick_or_report()
            await self._clock.sleep(self._pause_seconds(finished=finished))

    async def tick(self) -> bool:
        """Read and act until nothing is left to do; return False if something is left. Raises ApiError, OSError."""
        for _ in range(MAX_READS):
            reading = await self._reader.read(self._schedule.settle)
            self._serve(reading)
            if not (await self._writer.advance(reading) or await self._writer.register(reading)):
                return True
        return False

    async def _tick_or_report(self) -> bool:
        try:
            finished = await self.tick()
        except ApiError as error:
            self._events.report("api", "api-refused", reason=error.with_request)
            return False
        except UnauthorizedError as error:
            self._events.report("api", "api-refused", reason=str(error))
            return False
        except OSError as error:
            self._events.report("api", "api-unreachable", reason=type(error).__name__)
            return False
        self._events.report("api", "api-answers")
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

    def _serve(self, reading: Reading) -> None:
        secret = reading.stored.content
        own_fault = False
        if secret is not None:
            self._choose_leaf(secret, reading.state)
            own_fault = is_own_fault(self.tls.leaf, secret, reading.state)
        leaf = self.tls.leaf.parse() if self.tls.leaf else None
        self.status = Status(
            ready=not own_fault,
            reason="leaf-refused" if own_fault else "ok",
            leaf_expires=leaf.not_valid_after_utc if leaf else None,
            authority_expires=self._authority.not_valid_after_utc if self._authority else None,
            registration=state_of(reading.registrations),
            foreign_entries=foreign_count(reading.registrations),
        )

    def _choose_leaf(self, secret: SecretContent, state: RotationState) -> None:
        why = why_adopt(self.tls.leaf, secret, state)
        if why is None:
            if self.tls.leaf != secret.leaf:
                self._events.report("leaf", "leaf-held", reason="authority-not-settled")
            else:
                self._events.resolve("leaf", "leaf-recovered")
            return
        try:
            self.tls.present(secret.leaf)
        except ValueError as error:
            self._events.report("leaf", "leaf-unusable", reason=str(error))
            return
        self._authority = next((one for one in secret.bundle if fingerprint(one) == state.issued_by), None)
        expires = secret.leaf.parse().not_valid_after_utc.isoformat()
        self._events.forget("leaf")
        self._events.emit("leaf-served", reason=why, expires=expires)
