"""The certificate Secret in the API server: read, and written with resourceVersion compare-and-swap.

Rights: get and update of the one named Secret, and create in the own namespace (RBAC cannot name a create). Only
`certs rotate`, which runs with an administrator's rights, patches it.
"""

from dataclasses import dataclass, field
from typing import Any

from certs.api import Installation
from certs.secret_content import ROTATE_ANNOTATION, Material, Rotation, read_material, write_material
from webhook.kube_client.api_error import ApiError
from webhook.kube_client.client import KubeClient


@dataclass(frozen=True, slots=True)
class StoredSecret:
    """The Secret as it was read: the object ({} if absent), and what it holds, or why that is nothing usable."""

    raw: dict[str, Any] = field(repr=False)
    material: Material | None
    trouble: str = ""


async def read_secret(client: KubeClient, installation: Installation) -> StoredSecret:
    """Read the Secret. Raises ApiError, OSError."""
    found = await client.find(installation.secret_path)
    if found is None:
        return StoredSecret({}, None, "the Secret is absent")
    try:
        return StoredSecret(found, read_material(found))
    except ValueError as error:
        return StoredSecret(found, None, str(error))


async def write_secret(
    client: KubeClient, installation: Installation, stored: StoredSecret, material: Material
) -> bool:
    """Write the Secret if it is still as it was read; False if another replica was faster.

    Raises ApiError, OSError.
    """
    try:
        if stored.raw:
            await client.replace(installation.secret_path, write_material(material, stored.raw))
        else:
            await client.create(installation.secrets_path, write_material(material, _new_secret(installation)))
    except ApiError as error:
        # A PUT finds nothing if the Secret was deleted meanwhile; a POST if the namespace is missing, which is no race.
        if error.is_conflict or (error.is_absent and stored.raw):
            return False
        raise
    return True


async def ask_for_rotation(client: KubeClient, installation: Installation, rotation: Rotation) -> None:
    """Note in the Secret that a rotation is asked for; a replica's next look begins it. Raises ApiError, OSError.

    `graceful`: the former authority leaves after its last leaf expired. `revoke`: as soon as every replica had time to
    take the new leaf, which is how a key that leaked is made worthless.
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
