"""The content of the certificate Secret as a frozen value: read from a Secret object and written back to one.

data `ca.crt`: all trusted authorities (PEM): the signing one, and those whose leaves may still be served.
data `ca.key`: the key of the signing authority only. STAGE drops the key of the authority before it.
data `tls.crt`, `tls.key`: the leaf that replicas serve. If the signing authority did not issue it, STAGE is done.
annotation `gpu-injector.io/retire`: JSON; when each former authority (fingerprint) may be removed (RFC 3339).
    The record is kept after the removal, so that no replica copies the authority back from a caBundle.
annotation `gpu-injector.io/rotate`: a requested rotation, `graceful` or `revoke`.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from cryptography import x509

from certs.certificate import KeyPair, check_pair, fingerprint, matches_key, read_certificates, write_certificates
from certs.issuer import signing_key

BUNDLE, SIGNING_KEY, LEAF, LEAF_KEY = "ca.crt", "ca.key", "tls.crt", "tls.key"
RETIRE_ANNOTATION = "gpu-injector.io/retire"
ROTATE_ANNOTATION = "gpu-injector.io/rotate"
# How many removed authorities are remembered. A restored caBundle contains newer ones than these.
REMEMBERED = 16

Rotation = Literal["graceful", "revoke"]


@dataclass(frozen=True, slots=True)
class SecretContent:
    """The trusted authorities, the signing one (None if its key is unknown), the leaf, and when former ones retire."""

    bundle: tuple[x509.Certificate, ...]
    signer: KeyPair | None
    leaf: KeyPair
    retire: Mapping[str, datetime] = field(default_factory=dict)
    rotate: Rotation | None = None

    @property
    def retired(self) -> frozenset[str]:
        """Fingerprints of removed authorities, which must not return from a caBundle."""
        return frozenset(self.retire) - {fingerprint(authority) for authority in self.bundle}


def read_content(secret: Mapping[str, Any]) -> SecretContent:
    """Read a Secret object. Raises ValueError, whose message shows none of the content."""
    data, annotations = _mapping(secret.get("data")), _mapping(_mapping(secret.get("metadata")).get("annotations"))
    if not data:
        raise ValueError("the Secret is empty")
    leaf = KeyPair(_decode(data, LEAF), _decode(data, LEAF_KEY))
    check_pair(leaf)
    bundle = read_certificates(_decode(data, BUNDLE))
    if not bundle:
        raise ValueError("ca.crt contains no certificate")
    return SecretContent(bundle, _signer(data, bundle), leaf, _retire(annotations), _rotate(annotations))


def write_content(content: SecretContent, secret: Mapping[str, Any]) -> dict[str, Any]:
    """Return the Secret object with its certificate keys and annotations replaced; everything else stays."""
    metadata = dict(_mapping(secret.get("metadata")))
    annotations = {**_mapping(metadata.get("annotations"))}
    annotations.pop(ROTATE_ANNOTATION, None)
    if content.rotate:
        annotations[ROTATE_ANNOTATION] = content.rotate
    annotations[RETIRE_ANNOTATION] = json.dumps(_kept(content))
    values = {
        BUNDLE: write_certificates(content.bundle),
        SIGNING_KEY: content.signer.key if content.signer else b"",
        LEAF: content.leaf.certificate,
        LEAF_KEY: content.leaf.key,
    }
    encoded = {key: base64.b64encode(value).decode() for key, value in values.items()}
    data = {**_mapping(secret.get("data")), **encoded}
    return {**secret, "metadata": {**metadata, "annotations": annotations}, "data": data}


def _kept(content: SecretContent) -> dict[str, str]:
    """Return when former authorities may be removed, and the latest of those that were removed."""
    left = sorted(content.retired, key=lambda authority: content.retire[authority])
    forgotten = left[:-REMEMBERED]
    return {authority: when.isoformat() for authority, when in content.retire.items() if authority not in forgotten}


def _decode(data: Mapping[str, Any], key: str) -> bytes:
    try:
        return base64.b64decode(data[key], validate=True)
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"{key} is missing or not base64") from None


def _signer(data: Mapping[str, Any], bundle: tuple[x509.Certificate, ...]) -> KeyPair | None:
    # A pair from another tool may have no signing key: it is served, and replaced at its renewal.
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
        return {}  # damaged by a manual edit: former authorities then stay until they expire
    return {authority: when if when.tzinfo else when.replace(tzinfo=UTC) for authority, when in times.items()}


def _rotate(annotations: Mapping[str, Any]) -> Rotation | None:
    kinds: dict[object, Rotation] = {"graceful": "graceful", "revoke": "revoke"}
    wanted = annotations.get(ROTATE_ANNOTATION)
    return kinds.get(wanted) if isinstance(wanted, str) else None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
