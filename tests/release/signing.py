"""Signatures with a given ECDSA P-256 key: what `cosign sign-blob` writes, and what openssl verifies.

A signature is the base64 of the ASN.1 signature of the file's SHA-256.
"""

import base64
import binascii
import hashlib
from collections.abc import Iterable
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from release.programs import ReleaseError

SUFFIX = ".sig"
SUMS = "SHA256SUMS"
PUBLIC_KEY = "release.pub"
ALGORITHM = ec.ECDSA(hashes.SHA256())


def make_key(path: Path) -> None:
    """Write a new private key, which only its owner can read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    key = ec.generate_private_key(ec.SECP256R1())
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def load_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """Read the private key that signs. Raises ReleaseError."""
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise ReleaseError(f"{path} is not a private key in PEM without a password: {error}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != ec.SECP256R1.name:
        raise ReleaseError(f"{path} is not an ECDSA key on the curve P-256")
    return key


def sign(folder: Path, key: ec.EllipticCurvePrivateKey) -> None:
    """Write the checksums of all files, sign each file and the checksums, and write the public key."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    sums = folder / SUMS
    sums.write_text("".join(f"{sha256(path)}  {path.name}\n" for path in files))
    for path in (*files, sums):
        signature = key.sign(path.read_bytes(), ALGORITHM)
        path.with_name(path.name + SUFFIX).write_text(base64.b64encode(signature).decode())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (folder / PUBLIC_KEY).write_bytes(public)


def wrong_signatures(folder: Path, public_key: Path) -> Iterable[str]:
    """Yield what is wrong with checksums and signatures, one line for each file."""
    key = load_pem_public_key(public_key.read_bytes())
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise ReleaseError(f"{public_key} is not an ECDSA key")
    lines = (line.partition("  ") for line in (folder / SUMS).read_text().splitlines())
    listed = {name: checksum for checksum, _, name in lines}
    for path in sorted(signed_files(folder)):
        if path.name != SUMS and listed.pop(path.name, None) != sha256(path):
            yield f"{path.name}: {SUMS} has another checksum or none"
        if not is_signed(path, key):
            yield f"{path.name}: the signature is missing or wrong"
    yield from (f"{name}: listed in {SUMS}, but missing" for name in listed)


def is_signed(path: Path, key: ec.EllipticCurvePublicKey) -> bool:
    """Whether the signature beside a file is a valid one of a key."""
    try:
        signature = base64.b64decode(path.with_name(path.name + SUFFIX).read_text(), validate=True)
        key.verify(signature, path.read_bytes(), ALGORITHM)
    except (OSError, binascii.Error, InvalidSignature):
        return False
    return True


def signed_files(folder: Path) -> Iterable[Path]:
    """Yield all files of a release that have a signature."""
    return (path for path in folder.iterdir() if path.suffix != SUFFIX and path.name != PUBLIC_KEY)


def sha256(path: Path) -> str:
    """Return the checksum of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
