"""Foreign content for the certificate Secret: complete sets of another kind, and pieces that do not match."""

from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.x509.oid import NameOID
from hypothesis import strategies as st

from certs.certificate import KeyPair, write_certificates
from certs.rotation import Schedule
from certs.rotation_steps import create
from certs.secret_content import SecretContent

PEM = serialization.Encoding.PEM


def odd_pieces(names: tuple[str, ...], now: datetime, schedule: Schedule) -> st.SearchStrategy[dict[str, bytes]]:
    """Return what to overwrite, by key of the Secret: nothing or a whole set, then some keys with any piece."""
    foreign, expired = create(names, now, schedule), create(names, now - timedelta(days=50), schedule)
    unnamed = create(("elsewhere.example",), now, schedule)
    curious = SecretContent((), _ed25519_authority(now), unnamed.leaf)
    sets = [_contents(one) for one in (foreign, expired, unnamed, curious)]
    pieces = [b"", b"garbage", *(content for one in sets for content in one.values())]
    keys = {key: st.sampled_from(pieces) for key in sets[0]}
    return st.builds(
        lambda whole, overwritten: {**whole, **overwritten},
        st.sampled_from([{}, *sets]),
        st.just({}) | st.fixed_dictionaries({}, optional=keys),
    )


def _contents(content: SecretContent) -> dict[str, bytes]:
    assert content.signer
    bundle = write_certificates(content.bundle) or content.signer.certificate
    leaf = content.leaf
    return {"ca.crt": bundle, "ca.key": content.signer.key, "tls.crt": leaf.certificate, "tls.key": leaf.key}


def _ed25519_authority(now: datetime) -> KeyPair:
    key, name = ed25519.Ed25519PrivateKey.generate(), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "curious")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, None)
    )
    pkcs8 = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return KeyPair(certificate.public_bytes(PEM), pkcs8)
