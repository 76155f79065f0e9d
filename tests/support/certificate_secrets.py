"""Secrets and what they hold, for several test files."""

import base64
from datetime import UTC, datetime

from certs.api import Installation
from certs.rotation import Schedule
from certs.rotation_steps import create
from certs.secret_content import SecretContent, write_content
from support.fake_store import Json
from support.memory_api import NAMESPACE

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
OURS = Installation(extra_names=("127.0.0.1",))
GOOD, OTHER, THIRD = (create(OURS.names, NOW, Schedule()) for _ in range(3))
EMPTY_SECRET: Json = {
    "apiVersion": "v1",
    "kind": "Secret",
    "type": "Opaque",
    "metadata": {"name": "gpu-injector", "namespace": NAMESPACE, "labels": {"helm.sh/chart": "gpu-injector"}},
}


def secret_of(content: SecretContent, **data: str | None) -> Json:
    """Return a Secret that holds the content, some keys replaced by raw text or (None) left out."""
    secret = write_content(content, EMPTY_SECRET)
    encoded = {**secret["data"], **data}
    return {**secret, "data": {key: value for key, value in encoded.items() if value is not None}}


def encode(content: bytes) -> str:
    """Return what a Secret's data shows for a content."""
    return base64.b64encode(content).decode()
