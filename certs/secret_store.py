"""Reads the certificate Secret, and writes it with compare-and-swap on resourceVersion.

Rights: get and update of the one named Secret, and create in our namespace (RBAC cannot limit create to a name). Only
`certs rotate`, which runs with an administrator's rights, patches it.
"""

from dataclasses import dataclass, field
from typing import Any

from certs.api import Installation
from certs.secret_content import (
    ROTATE_ANNOTATION,
    Rotation,
    SecretContent,
    read_content,
    write_content,
)
from webhook.kube_client.api_error import ApiError
from webhook.kube_client.client import KubeClient


@dataclass(frozen=True, slots=True)
class StoredSecret:
    """The Secret as it was read: the object ({} if absent), and its content, or the problem with it."""

    raw: dict[str, Any] = field(repr=False)
    content: SecretContent | None
    problem: str = ""


async def read_secret(client: KubeClient, installation: Installation) -> StoredSecret:
    """Read the Secret. Raises ApiError, OSError."""
    found = await client.find(installation.secret_path)
    if found is None:
        return StoredSecret({}, None, "the Secret is absent")
    try:
        return StoredSecret(found, read_content(found))
    except ValueError as error:
        return StoredSecret(found, None, str(error))


async def write_secret(
    client: KubeClient, installation: Installation, stored: StoredSecret, content: SecretContent
) -> bool:
    """Write the content if the Secret is still as it was read; return False if another replica was faster.

    Raises ApiError, OSError.
    """
    try:
        if stored.raw:
            await client.replace(installation.secret_path, write_content(content, stored.raw))
        else:
            await client.create(installation.secrets_path, write_content(content, _new_secret(installation)))
    except ApiError as error:
        # A PUT gets 404 if the Secret was deleted; a POST gets it if the namespace is missing, which is no race.
        if error.is_conflict or (error.is_absent and stored.raw):
            return False
        raise
    return True


async def request_rotation(client: KubeClient, installation: Installation, rotation: Rotation) -> None:
    """Request a rotation in the Secret; a replica starts it at its next read. Raises ApiError, OSError.

    `graceful`: the former authority is removed after its last leaf expired. `revoke`: as soon as every replica had time
    to take the new leaf, so that a leaked key becomes worthless.
    """
    note = {"metadata": {"annotations": {ROTATE_ANNOTATION: rotation}}}
    await client.patch(installation.secret_path, note)


def _new_secret(installation: Installation) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {
            "name": installation.name,
            "namespace": installation.namespace,
            "labels": {"app.kubernetes.io/name": installation.name, "app.kubernetes.io/managed-by": installation.name},
        },
    }
