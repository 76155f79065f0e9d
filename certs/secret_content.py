"""What the certificate Secret holds, as one frozen value: read from a Secret object and written back into one.

data `ca.crt`: every authority to trust (PEM): the signing one, and those whose leaves may still be served.
data `ca.key`: the key of the signing authority alone. The key of the one before it is gone from STAGE on.
data `tls.crt`, `tls.key`: the leaf that replicas serve. Its issuer not being the signing authority is STAGE.
annotation `gpu-injector.io/retire`: JSON, fingerprint of a former authority to the time when it may leave (RFC 3339).
    An entry outlives its authority, so that no replica takes that one up from a caBundle again.
annotation `gpu-injector.io/rotate`: somebody asks for a rotation, `graceful` or `revoke`.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from cryptography import x509

from certs.certificate import (
    KeyPair,
    check_pair,
    fingerprint,
    matches_key,
    read_certificates,
    write_certificates,
)
from certs.issuer import signing_key

BUNDLE, SIGNING_KEY, LEAF, LEAF_KEY = "ca.crt", "ca.key", "tls.crt", "tls.key"
RETIRE_ANNOTATION = "gpu-injector.io/retire"
ROTATE_ANNOTATION = "gpu-injector.io/rotate"
# Authorities that left and are remembered. A caBundle that is put back holds newer ones than the sixteenth before.
REMEMBERED = 16

Rotation = Literal["graceful", "revoke"]


@dataclass(frozen=True, slots=True)
class Material:
    """Authorities to trust, the one that signs (None if its key is unknown), the leaf, and when former ones retire."""

    bundle: tuple[x509.Certificate, ...]
    signer: KeyPair | None
    leaf: KeyPair
    retire: Mapping[str, datetime] = field(default_factory=dict)
    rotate: Rotation | None = None

    @property
    def retired(self) -> frozenset[str]:
        """Fingerprints of authorities that left and must not come back from a caBundle."""
        return frozenset(self.retire) - {fingerprint(authority) for authority in self.bundle}


def read_material(secret: Mapping[str, Any]) -> Material:
    """Read a Secret object. Raises ValueError, saying what is wrong without showing any of it."""
    data, annotations = _mapping(secret.get("data")), _mapping(_mapping(secret.get("metadata")).get("annotations"))
    if not data:
        raise ValueError("the Secret is empty")
    leaf = KeyPair(_decode(data, LEAF), _decode(data, LEAF_KEY))
    check_pair(leaf)
    bundle = read_certificates(_decode(data, BUNDLE))
    if not bundle:
        raise ValueError("ca.crt holds no certificate")
    return Material(bundle, _signer(data, bundle), leaf, _retire(annotations), _rotate(annotations))


def write_material(material: Material, secret: Mapping[str, Any]) -> dict[str, Any]:
    """Return the Secret object with its certificate keys and annotations replaced; everything else stays."""
    metadata = dict(_mapping(secret.get("metadata")))
    annotations = {**_mapping(metadata.get("annotations"))}
    annotations.pop(ROTATE_ANNOTATION, None)
    if material.rotate:
        annotations[ROTATE_ANNOTATION] = material.rotate
    annotations[RETIRE_ANNOTATION] = json.dumps(_kept(material))
    content = {
        BUNDLE: write_certificates(material.bundle),
        SIGNING_KEY: material.signer.key if material.signer else b"",
        LEAF: material.leaf.certificate,
        LEAF_KEY: material.leaf.key,
    }
    encoded = {key: base64.b64encode(value).decode() for key, value in content.items()}
    data = {**_mapping(secret.get("data")), **encoded}
    return {**secret, "metadata": {**metadata, "annotations": annotations}, "data": data}


def _kept(material: Material) -> dict[str, str]:
    """Return when former authorities may leave, and of those that left the latest."""
    left = sorted(material.retired, key=lambda authority: material.retire[authority])
    forgotten = left[:-REMEMBERED]
    return {authority: when.isoformat() for authority, when in material.retire.items() if authority not in forgotten}


def _decode(data: Mapping[str, Any], key: str) -> bytes:
    try:
        return base64.b64decode(data[key], validate=True)
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"{key} is missing or not base64") from None


def _signer(data: Mapping[str, Any], bundle: tuple[x509.Certificate, ...]) -> KeyPair | None:
    # A pair that somebody else put there may come without a key to sign with: served, and replaced when it is due.
    try:
        key = _decode(data, SIGNING_KEY)
        signing_key(key)
        signing = next((authority for authority in bundle if matches_key(authority, key)), None)
    except ValueError:
        return None
    return KeyPair(write_certificates([signing]), key) if signing else None


def _retire(annotations: Mapping[str, Any]) -> dict[str, datetime]:
    try:
        stored = _mapping(json.loads(annotations.get(RETIRE_ANNOTATION, "{}")))
        times = {str(authority): datetime.fromisoformat(when) for authority, when in stored.items()}
    except (TypeError, ValueError, RecursionError):
        return {}  # damaged by hand: former authorities then stay until they expire
    return {authority: when if when.tzinfo else when.replace(tzinfo=UTC) for authority, when in times.items()}


def _rotate(annotations: Mapping[str, Any]) -> Rotation | None:
    asked: dict[object, Rotation] = {"graceful": "graceful", "revoke": "revoke"}
    wanted = annotations.get(ROTATE_ANNOTATION)
    return asked.get(wanted) if isinstance(wanted, str) else None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
