"""A real TLS look at what a replica presents, with the eyes of the API server: by the caBundle of each entry."""

import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
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
        leaf = _leaf(connect, name)
        answers = {bundle: _accepts(connect, name, bundle) for bundle in set(map(_bundle, trusts.values()))}
    except OSError as error:
        return Presented(where, trouble=str(error) or type(error).__name__)
    refused = tuple(entry for entry, authorities in trusts.items() if not answers[_bundle(authorities)])
    return Presented(where, fingerprint(leaf), leaf.not_valid_after_utc, refused)


def _leaf(connect: Connect, name: str) -> x509.Certificate:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with connect() as plain, context.wrap_socket(plain, server_hostname=name) as secure:
        return x509.load_der_x509_certificate(secure.getpeercert(binary_form=True) or b"")


def _accepts(connect: Connect, name: str, bundle: str) -> bool:
    if not bundle:
        return False
    context = ssl.create_default_context(cadata=bundle)
    # As Go's verifier: an intermediate may be trusted, and the letter of RFC 5280 is not insisted on.
    context.verify_flags = (context.verify_flags | ssl.VERIFY_X509_PARTIAL_CHAIN) & ~ssl.VERIFY_X509_STRICT
    try:
        with connect() as plain, context.wrap_socket(plain, server_hostname=name):
            return True
    except ssl.SSLCertVerificationError:
        return False


def _bundle(authorities: Sequence[x509.Certificate]) -> str:
    return write_certificates(authorities).decode()
