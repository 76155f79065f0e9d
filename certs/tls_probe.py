"""A real TLS look at what a replica presents, with the eyes of the API server: by the caBundle of each entry."""

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
class Presented:
    """What was presented where, until when it is good, and the entries (names) that would refuse it.

    `trouble` says why nothing was seen.
    """

    where: str
    fingerprint: str = ""
    expires: datetime | None = None
    refused_by: tuple[str, ...] = ()
    trouble: str = ""


def look(where: str, connect: Connect, name: str, trusts: Mapping[str, Sequence[x509.Certificate]]) -> Presented:
    """Ask a replica for the certificate of `name`; `trusts` are the authorities of each entry. Blocks."""
    try:
        accepted = {bundle: _accepted(connect, name, bundle) for bundle in set(map(_bundle, trusts.values()))}
        leaf = next(filter(None, accepted.values()), None) or _leaf(connect, name, _trusting_anybody())
    except OSError as error:
        return Presented(where, trouble=str(error) or type(error).__name__)
    refused = tuple(entry for entry, authorities in trusts.items() if not accepted[_bundle(authorities)])
    return Presented(where, fingerprint(leaf), leaf.not_valid_after_utc, refused)


def _accepted(connect: Connect, name: str, bundle: str) -> x509.Certificate | None:
    if not bundle:
        return None
    context = ssl.create_default_context(cadata=bundle)
    # As Go's verifier: an intermediate may be trusted, and the letter of RFC 5280 is not insisted on.
    context.verify_flags = (context.verify_flags | ssl.VERIFY_X509_PARTIAL_CHAIN) & ~ssl.VERIFY_X509_STRICT
    try:
        return _leaf(connect, name, context)
    except ssl.SSLCertVerificationError:
        return None


def _trusting_anybody() -> ssl.SSLContext:
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
                incoming.write(_some(plain))
        finally:
            _hang_up(plain, outgoing.read())
    return x509.load_der_x509_certificate(tls.getpeercert(binary_form=True) or b"")


def _is_complete(tls: ssl.SSLObject) -> bool:
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True


def _some(plain: socket.socket) -> bytes:
    received = plain.recv(2**16)
    if not received:
        raise ConnectionError("the connection was closed before the certificate came")
    return received


def _hang_up(plain: socket.socket, last: bytes) -> None:
    """Say the last word, and hear the other side out: a port-forward that is closed with bytes unread fails aloud."""
    with suppress(OSError):
        plain.sendall(last)
        plain.shutdown(socket.SHUT_WR)
        while plain.recv(2**16):
            pass


def _bundle(authorities: Sequence[x509.Certificate]) -> str:
    return write_certificates(authorities).decode()
