"""The certificate Secret in the API server: read, and written with resourceVersion compare-and-swap.

Rights: get and update of the one named Secret, and create in the own namespace (RBAC cannot name a create). Only
`certs rotate`, which runs with an administrator's rights, patches it.
"""

from dataclasses import dataclass, field
from typing import Any

from certs.api import CONFLICT, CREATED, MERGE_PATCH, NOT_FOUND, OK, ApiServer, Installation, Refused
from certs.secret_content import ROTATE_ANNOTATION, Material, Rotation, read_material, write_material


@dataclass(frozen=True, slots=True)
class StoredSecret:
    """The Secret as it was read: the object ({} if absent), and what it holds, or why that is nothing usable."""

    raw: dict[str, Any] = field(repr=False)
    material: Material | None
    trouble: str = ""


async def read_secret(api: ApiServer, installation: Installation) -> StoredSecret:
    """Read the Secret. Raises Refused if that is not allowed, OSError if no answer came."""
    status, answer = await api.call("GET", installation.secret_path)
    if status == NOT_FOUND:
        return StoredSecret({}, None, "the Secret is absent")
    if status != OK:
        raise Refused(f"GET {installation.secret_path}", status, answer)
    try:
        return StoredSecret(answer, read_material(answer))
    except ValueError as error:
        return StoredSecret(answer, None, str(error))


async def write_secret(api: ApiServer, installation: Installation, stored: StoredSecret, material: Material) -> bool:
    """Write what the Secret is to hold, if it is still as it was read; False if another was quicker.

    Raises Refused, OSError.
    """
    if stored.raw:
        method, path, before = "PUT", installation.secret_path, stored.raw
    else:
        method, path, before = "POST", installation.secrets_path, _new_secret(installation)
    status, answer = await api.call(method, path, body=write_material(material, before))
    if status in (OK, CREATED):
        return True
    # A PUT finds nothing when the Secret was deleted meanwhile; a POST when the namespace is missing, which is no race.
    if status == CONFLICT or (status == NOT_FOUND and method == "PUT"):
        return False
    raise Refused(f"{method} {path}", status, answer)


async def ask_for_rotation(api: ApiServer, installation: Installation, rotation: Rotation) -> None:
    """Note in the Secret that a rotation is asked for; a replica's next look begins it. Raises Refused, OSError.

    `graceful`: the former authority leaves after its last leaf expired. `revoke`: as soon as every replica had time to
    take the new leaf, which is how a key that leaked is made worthless.
    """
    note = {"metadata": {"annotations": {ROTATE_ANNOTATION: rotation}}}
    status, answer = await api.call("PATCH", installation.secret_path, body=note, content_type=MERGE_PATCH)
    if status != OK:
        raise Refused(f"PATCH {installation.secret_path}", status, answer)


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
