"""Connects to a replica over TLS and verifies its certificate as the API server does, with each entry's caBundle."""

import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from certs.certificate import fingerprint, write_certificates

Connect = Callable[[], socket.socket]
"""Opens a connection to the replica. Raises OSError."""


@dataclass(frozen=True, slots=True)
class PresentedCertificate:
    """The certificate of one replica, its expiry, and the entries (names) that would refuse it.

    `trouble` says why no certificate was received.
    """

    where: str
    fingerprint: str = ""
    expires: datetime | None = None
    refused_by: tuple[str, ...] = ()
    trouble: str = ""


def probe_certificate(
    where: str, connect: Connect, name: str, trusts: Mapping[str, Sequence[x509.Certificate]]
) -> PresentedCertificate:
    """Get the certificate of a replica for `name`; `trusts` are the authorities of each entry. Blocks."""
    try:
        accepted = {bundle: _accepted(connect, name, bundle) for bundle in set(map(_bundle, trusts.values()))}
        leaf = next(filter(None, accepted.values()), None) or _leaf(connect, name, _unverified())
    except OSError as error:
        return PresentedCertificate(where, trouble=str(error) or type(error).__name__)
    refused = tuple(entry for entry, authorities in trusts.items() if not accepted[_bundle(authorities)])
    return PresentedCertificate(where, fingerprint(leaf), leaf.not_valid_after_utc, refused)


def _accepted(connect: Connect, name: str, bundle: str) -> x509.Certificate | None:
    if not bundle:
        return None
    context = ssl.create_default_context(cadata=bundle)
    # Like Go's verifier: an intermediate may be trusted, and RFC 5280 is not applied strictly.
    context.verify_flags = (context.verify_flags | ssl.VERIFY_X509_PARTIAL_CHAIN) & ~ssl.VERIFY_X509_STRICT
    try:
        return _leaf(connect, name, context)
    except ssl.SSLCertVerificationError:
        return None


def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _leaf(connect: Connect, name: str, context: ssl.SSLContext) -> x509.Certificate:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname=name)
    with connect() as plain:
        try:
            while not _is_complete(tls):
                plain.sendall(outgoing.read())
                incoming.write(_receive(plain))
        finally:
            _close(plain, outgoing.read())
    return x509.load_der_x509_certificate(tls.getpeercert(binary_form=True) or b"")


def _is_complete(tls: ssl.SSLObject) -> bool:
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True


def _receive(plain: socket.socket) -> bytes:
    received = plain.recv(2**16)
    if not received:
        raise ConnectionError("the connection was closed before the certificate came")
    return received


def _close(plain: socket.socket, last: bytes) -> None:
    """Send close_notify and drain; otherwise port-forward logs an error."""
    with suppress(OSError):
        plain.sendall(last)
        plain.shutdown(socket.SHUT_WR)
        while plain.recv(2**16):
            pass


def _bundle(authorities: Sequence[x509.Certificate]) -> str:
    return write_certificates(authorities).decode()
