"""The provider `files`: a mounted pair, such as cert-manager's Secret, served and reloaded when it changes.

It never writes anything: whoever made the pair also keeps the caBundle.
"""

from datetime import datetime, timedelta
from pathlib import Path

from certs.certificate import KeyPair, is_valid_at, names_of, read_certificates, verify
from certs.state_events import Changes, OnChange
from certs.tls_context import LiveTls, Status
from webhook.kube_client.clock import Clock


class FileKeeper:
    """Serves `tls.crt` and `tls.key` of a folder; `names` are what the API server asks for, the Service's first.

    A mounted Secret changes as a whole, yet its files are read one after the other: a pair that does not fit, or cannot
    be read, is refused, the old leaf stays, and the next look finds the rest.
    """

    def __init__(  # noqa: PLR0913 - each is said by the caller or replaced by a test
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
        self._changes, self._clock, self._interval = Changes(on_change), clock or Clock(), interval.total_seconds()

    def stop(self) -> None:
        """Do nothing: this provider never writes."""

    async def run(self) -> None:
        """Look at once and then at each interval, until cancelled."""
        while True:
            self.look()
            await self._clock.sleep(self._interval * self._clock.uniform(0.9, 1.1))

    def look(self) -> None:
        """Read the pair, and serve it if it is another one and fits."""
        try:
            pair = KeyPair(self._read("tls.crt"), self._read("tls.key"))
            if pair != self.tls.leaf:
                self.tls.present(pair)
                expires = pair.parse().not_valid_after_utc.isoformat()
                self._changes.tell("leaf-served", reason="file-changed", expires=expires)
        except ValueError as error:
            self._changes.state("pair", "leaf-unusable", reason=str(error), folder=str(self._folder))
        else:
            self._changes.state("pair", "leaf-usable")
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
            self._changes.state("leaf", "leaf-names-missing", reason="names-missing", missing=missing)
        elif not is_valid_at(leaf, now):
            self._changes.state("leaf", "leaf-expired", expires=leaf.not_valid_after_utc.isoformat())
        else:
            self._changes.state("leaf", "leaf-good")
        # Every replica mounts the same pair: a bad one is no reason for this one to leave the Service.
        return Status(True, "ok", leaf.not_valid_after_utc, self._authority_expires(pair))

    def _authority_expires(self, pair: KeyPair) -> datetime | None:
        """When the authority in `ca.crt` expires, which cert-manager puts beside the pair; None if there is none."""
        try:
            authorities = read_certificates(self._read("ca.crt"))
        except ValueError:
            return None
        root = verify(pair.certificate, authorities, self._names[0], self._clock.now())
        return root.not_valid_after_utc if root else None
