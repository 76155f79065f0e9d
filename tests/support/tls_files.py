"""Certificates for tests of the client side of TLS, as files: made by ``cryptography``, not by the code under test."""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PEM = serialization.Encoding.PEM


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """A CA, a server's pair for 127.0.0.1 and one other name, and a client's pair."""

    ca: Path
    server: Path
    client: Path

    def server_context(self, *, ask_for_client: bool = False) -> ssl.SSLContext:
        """Return what the server needs; on demand it lets only clients of the CA in."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(self.ca))
        context.load_cert_chain(self.server)
        context.verify_mode = ssl.CERT_REQUIRED if ask_for_client else ssl.CERT_NONE
        return context


def make_tls_files(folder: Path, *names: str) -> TlsFiles:
    """Write a new CA and its pairs; each pair's file holds key and certificate."""
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca = _certificate("ca", ca_key, "ca", ca_key, names=())
    files = TlsFiles(folder / "ca.crt", folder / "server.pem", folder / "client.pem")
    files.ca.write_bytes(ca.public_bytes(PEM))
    for path in (files.server, files.client):
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _certificate(path.stem, key, "ca", ca_key, names=names)
        private = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        path.write_bytes(private + certificate.public_bytes(PEM))
    return files


def _certificate(
    subject: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    issuer_key: ec.EllipticCurvePrivateKey,
    *,
    names: tuple[str, ...],
) -> x509.Certificate:
    now = datetime.now(UTC)
    alternative = [x509.DNSName(name) for name in names if name[0].isalpha()]
    addresses = [x509.IPAddress(ip_address(name)) for name in names if name[0].isdigit()]
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=subject == issuer, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([*alternative, *addresses]), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())
