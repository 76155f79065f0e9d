"""The TLS context of a listener: its leaf is replaced while it serves, and no connection is dropped.

The SNI callback selects the newest context at every handshake. OpenSSL also calls it (with no name) for a client that
sends no SNI. A connection keeps the context that it started with.
"""

import contextlib
import os
import ssl
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from certs.certificate import KeyPair, check_pair, write_certificates
from certs.rotation import Schedule
from certs.rotation_steps import create

# Forward secrecy and authenticated encryption only; TLS 1.3 has nothing else.
_TLS12_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"


@dataclass(frozen=True, slots=True)
class Status:
    """What probes and metrics show: readiness with a stable reason, and when the certificates expire (None: unknown).

    `registration` is one of REGISTRATION_STATES, or "" if this source does not read the registrations.
    `foreign_entries` is the number of their entries that belong to others, None if it is not known.
    """

    ready: bool
    reason: str
    leaf_expires: datetime | None = None
    authority_expires: datetime | None = None
    registration: str = ""
    foreign_entries: int | None = None


# OpenSSL's names of the alerts with which a client refuses our certificate.
_REFUSALS = ("ALERT_UNKNOWN_CA", "ALERT_BAD_CERTIFICATE", "ALERT_CERTIFICATE", "ALERT_UNSUPPORTED_CERTIFICATE")

OnFailure = Callable[[str], None]
"""Called for each failed handshake with `certificate-refused` if the client refused the leaf, else `other`."""


class LiveTls:
    """The SSL context of a listener, and the leaf that it presents from the next handshake on."""

    def __init__(self, on_failure: OnFailure = lambda _: None) -> None:
        self.context = _context()
        self.context.sni_callback = self._choose
        self.context.sslobject_class = _reporting(on_failure)
        self.leaf: KeyPair | None = None
        self._current: ssl.SSLContext | None = None

    def present(self, leaf: KeyPair) -> None:
        """Serve a leaf from now on. Raises ValueError, and keeps the old one, if the pair does not match."""
        check_pair(leaf)
        fresh = _context()
        _load(fresh, leaf)
        self._current, self.leaf = fresh, leaf

    def _choose(self, connection: ssl.SSLObject, _name: str | None, _listener: ssl.SSLContext) -> int | None:
        if self._current is None:
            return ssl.ALERT_DESCRIPTION_INTERNAL_ERROR
        connection.context = self._current
        return None


class CertificateSource(Protocol):
    """Supplies the certificate of one replica: `builtin` (certs.controller) or `files` (certs.mounted_files)."""

    tls: LiveTls
    status: Status

    def stop(self) -> None:
        """Write nothing from now on (SIGTERM); keep reading and serving."""
        ...

    async def run(self) -> None:
        """Read at once and then repeatedly, until cancelled."""
        ...


def standalone_tls(names: tuple[str, ...]) -> tuple[ssl.SSLContext, bytes]:
    """Create an authority and a leaf in memory for DNS names and IP addresses; return the context and the CA (PEM)."""
    lifetime = timedelta(days=365)
    schedule = Schedule(authority_lifetime=lifetime, leaf_lifetime=lifetime)
    content = create(names, datetime.now(UTC), schedule)
    tls = LiveTls()
    tls.present(content.leaf)
    return tls.context, write_certificates(content.bundle)


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_TLS12_CIPHERS)
    context.set_alpn_protocols(["http/1.1"])
    # The API server keeps its connections and resumes none: tickets would only make every handshake slower.
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION
    context.num_tickets = 0
    return context


def _reporting(on_failure: OnFailure) -> type[ssl.SSLObject]:
    """Return the class of a listener's connections, which reports failed handshakes: the event loop does not."""

    class Reporting(ssl.SSLObject):
        def do_handshake(self) -> None:
            try:
                super().do_handshake()
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                raise
            except ssl.SSLError as error:
                refused = any(word in (error.reason or "") for word in _REFUSALS)
                on_failure("certificate-refused" if refused else "other")
                raise

    return Reporting


def _load(context: ssl.SSLContext, leaf: KeyPair) -> None:
    with _file(leaf.certificate + b"\n" + leaf.key) as path:
        try:
            # Without a password OpenSSL would prompt for one on the terminal.
            context.load_cert_chain(path, password=lambda: b"")
        except ssl.SSLError as error:
            raise ValueError(f"OpenSSL refuses the pair: {error.reason}") from None


@contextlib.contextmanager
def _file(content: bytes) -> Iterator[str]:
    """Yield a path with the content: Python's ssl reads keys only from files, and this one is not on a disk."""
    if not hasattr(os, "memfd_create"):  # not Linux: a private file, deleted at once
        with tempfile.NamedTemporaryFile() as file:
            file.write(content)
            file.flush()
            yield file.name
        return
    descriptor = os.memfd_create("leaf")
    try:
        os.write(descriptor, content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
