"""Serves a mounted certificate and key, such as cert-manager's Secret, and reloads them when they change.

Nothing is written: the tool that issues the certificate also maintains the caBundle.
"""

from datetime import datetime, timedelta
from pathlib import Path

from certs.certificate import KeyPair, is_valid_at, names_of, read_certificates, verify
from certs.state_events import OnChange, StateEvents
from certs.tls_context import LiveTls, Status
from webhook.kube_client.clock import Clock


class MountedFiles:
    """Serves `tls.crt` and `tls.key` of a folder; `names` are the names that clients use, the Service's name first.

    Kubernetes swaps all files of a mounted Secret at once, but they are read one after the other. If the pair does not
    match or is unreadable, the old leaf is kept, and the next read finds the complete pair.
    """

    def __init__(  # noqa: PLR0913 - each is set by the caller or replaced by a test
        self,
        folder: Path,
        names: tuple[str, ...],
        *,
        on_change: OnChange,
        tls: LiveTls | None = None,
        clock: Clock | None = None,
        interval: timedelta = timedelta(seconds=10),
    ) -> None:
        self.tls = tls or LiveTls()
        self.status = Status(ready=False, reason="no-leaf")
        self._folder, self._names = folder, names
        self._events, self._clock, self._interval = StateEvents(on_change), clock or Clock(), interval.total_seconds()

    def stop(self) -> None:
        """Do nothing: this source never writes."""

    async def run(self) -> None:
        """Read at once and then at each interval, until cancelled."""
        while True:
            self.reload()
            await self._clock.sleep(self._interval * self._clock.uniform(0.9, 1.1))

    def reload(self) -> None:
        """Read the pair; serve it if it is new and valid."""
        try:
            pair = KeyPair(self._read("tls.crt"), self._read("tls.key"))
            if pair != self.tls.leaf:
                self.tls.present(pair)
                expires = pair.parse().not_valid_after_utc.isoformat()
                self._events.emit("leaf-served", reason="file-changed", expires=expires)
        except ValueError as error:
            self._events.report("pair", "leaf-unusable", reason=str(error), folder=str(self._folder))
        else:
            self._events.report("pair", "leaf-usable")
        if self.tls.leaf is not None:
            self.status = self._judge(self.tls.leaf)

    def _read(self, name: str) -> bytes:
        try:
            return (self._folder / name).read_bytes()
        except OSError as error:
            raise ValueError(f"{name}: {error.strerror}") from None

    def _judge(self, pair: KeyPair) -> Status:
        leaf, now = pair.parse(), self._clock.now()
        if missing := sorted(set(self._names) - names_of(leaf)):
            self._events.report("leaf", "leaf-names-missing", reason="names-missing", missing=missing)
        elif not is_valid_at(leaf, now):
            self._events.report("leaf", "leaf-expired", expires=leaf.not_valid_after_utc.isoformat())
        else:
            self._events.report("leaf", "leaf-good")
        # Every replica mounts the same pair, so a bad pair is no reason to take this replica out of the Service.
        return Status(True, "ok", leaf.not_valid_after_utc, self._authority_expires(pair))

    def _authority_expires(self, pair: KeyPair) -> datetime | None:
        """Return when the authority in cert-manager's `ca.crt` expires; None if there is none."""
        try:
            authorities = read_certificates(self._read("ca.crt"))
        except ValueError:
            return None
        root = verify(pair.certificate, authorities, self._names[0], self._clock.now())
        return root.not_valid_after_utc if root else None
