"""Reads certificates, verifies them, and decides when they need renewal. Reads no clock.

Source: RFC 5280, and Go's crypto/x509 Verify, with which the API server verifies a webhook's certificate.
"""

import hashlib
import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
from cryptography.x509 import verification

# Backdated for verifiers whose clock is behind the issuer's: they would refuse it as not yet valid.
BACKDATE = timedelta(hours=1)
# Spread over time, so that many replicas do not renew one certificate in the same minute.
RENEWAL_SPREAD = 1 / 30

_PEM_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate (PEM; a leaf may be followed by its intermediates) and its private key (PEM)."""

    certificate: bytes
    key: bytes = field(repr=False)

    def parse(self) -> x509.Certificate:
        """Return the pair's own certificate, the first. Raises ValueError."""
        certificates = read_certificates(self.certificate)
        if not certificates:
            raise ValueError("no certificate could be read")
        return certificates[0]


@dataclass(frozen=True, slots=True)
class Renewal:
    """Whether a certificate is due for renewal, since or from when, and a stable word for why."""

    due: bool
    at: datetime
    reason: str


def read_certificates(pem: bytes) -> tuple[x509.Certificate, ...]:
    """Read each certificate of a PEM text once, in order; everything else is skipped."""
    found: dict[str, x509.Certificate] = {}
    for block in _PEM_CERTIFICATE.findall(pem):
        try:
            certificate = x509.load_pem_x509_certificate(block)
            found.setdefault(fingerprint(certificate), certificate)
        except (ValueError, x509.InvalidVersion):
            continue
    return tuple(found.values())


def write_certificates(certificates: Iterable[x509.Certificate]) -> bytes:
    """Join certificates to one PEM text."""
    return b"".join(certificate.public_bytes(serialization.Encoding.PEM) for certificate in certificates)


def fingerprint(certificate: x509.Certificate) -> str:
    """Return a certificate's SHA-256 in hexadecimal, as `openssl x509 -fingerprint -sha256` but without colons."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def check_pair(pair: KeyPair) -> x509.Certificate:
    """Return the first certificate of a pair; raise ValueError with the reason if its key belongs to another."""
    certificate = pair.parse()
    if not matches_key(certificate, pair.key):
        raise ValueError("the private key belongs to another certificate")
    return certificate


def matches_key(certificate: x509.Certificate, key: bytes) -> bool:
    """Whether a private key (PEM) is the certificate's. Raises ValueError if no key can be read."""
    try:
        return _public_der(load_key(key).public_key()) == _public_der(certificate.public_key())
    except UnsupportedAlgorithm as error:
        raise ValueError("a key of an unknown kind") from error


def load_key(key: bytes) -> PrivateKeyTypes:
    """Read a private key (PEM, not encrypted). Raises ValueError, whose message shows none of the content."""
    try:
        return serialization.load_pem_private_key(key, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("no private key could be read") from None


def names_of(leaf: x509.Certificate) -> frozenset[str]:
    """Return the DNS names and IP addresses for which a leaf is valid."""
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return frozenset()
    addresses = (str(address) for address in names.get_values_for_type(x509.IPAddress))
    return frozenset((*names.get_values_for_type(x509.DNSName), *addresses))


def verify(leaf: bytes, roots: Sequence[x509.Certificate], name: str, now: datetime) -> x509.Certificate | None:
    """Return the root that verifies a leaf (PEM, with its intermediates) for a name; None if a client would refuse.

    As lenient as Go's verifier: a root need not carry a KeyUsage, and may be the leaf itself.
    """
    certificates = read_certificates(leaf)
    if not certificates or not roots or not is_valid_at(certificates[0], now):
        return None
    lenient = verification.ExtensionPolicy.permit_all()
    agnostic = verification.Criticality.AGNOSTIC
    policy = verification.PolicyBuilder().extension_policies(
        ca_policy=lenient.require_present(x509.BasicConstraints, agnostic, None),
        ee_policy=lenient.require_present(x509.SubjectAlternativeName, agnostic, None),
    )
    try:
        verifier = policy.store(verification.Store(list(roots))).time(now).build_server_verifier(_subject(name))
        return verifier.verify(certificates[0], list(certificates[1:]))[-1]
    except (verification.VerificationError, ValueError, UnsupportedAlgorithm):
        return None


def is_valid_at(certificate: x509.Certificate, now: datetime) -> bool:
    """Whether a certificate is neither expired nor not yet valid."""
    return certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc


def renewal(certificate: x509.Certificate, now: datetime, who: str) -> Renewal:
    """Whether a certificate needs renewing, from when, and why: at two thirds of its life, or a little later.

    The delay is computed from the certificate and the replica's name `who`: it is the same at every call.
    """
    begin = min(certificate.not_valid_before_utc + BACKDATE, certificate.not_valid_after_utc)
    life = certificate.not_valid_after_utc - begin
    draw = hashlib.sha256(certificate.fingerprint(hashes.SHA256()) + who.encode()).digest()
    at = begin + life * (2 / 3 + RENEWAL_SPREAD * int.from_bytes(draw[:4]) / 2**32)
    if now > certificate.not_valid_after_utc:
        return Renewal(True, at, "expired")
    if now < certificate.not_valid_before_utc:
        return Renewal(True, at, "not-yet-valid")
    return Renewal(True, at, "two-thirds-over") if now >= at else Renewal(False, at, "fresh")


def _subject(name: str) -> verification.Subject:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _public_der(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
