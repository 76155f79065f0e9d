"""Reads the certificate Secret, and writes it with compare-and-swap on resourceVersion.

Rights: get and update of the one named Secret, and create in our namespace (RBAC cannot limit create to a name). Only
`certs rotate`, which runs with an administrator's rights, patches it.
"""

from dataclasses import dataclass, field
from typing import Any

from certs.api import CONFLICT, CREATED, MERGE_PATCH, NOT_FOUND, OK, ApiServer, Installation, Refused
from certs.secret_content import ROTATE_ANNOTATION, Rotation, SecretContent, read_content, write_content


@dataclass(frozen=True, slots=True)
class StoredSecret:
    """The Secret as it was read: the object ({} if absent), and its content, or the problem with it."""

    raw: dict[str, Any] = field(repr=False)
    content: SecretContent | None
    problem: str = ""


async def read_secret(api: ApiServer, installation: Installation) -> StoredSecret:
    """Read the Secret. Raises Refused if that is not allowed, OSError if no answer came."""
    status, answer = await api.call("GET", installation.secret_path)
    if status == NOT_FOUND:
        return StoredSecret({}, None, "the Secret is absent")
    if status != OK:
        raise Refused(f"GET {installation.secret_path}", status, answer)
    try:
        return StoredSecret(answer, read_content(answer))
    except ValueError as error:
        return StoredSecret(answer, None, str(error))


async def write_secret(
    api: ApiServer, installation: Installation, stored: StoredSecret, content: SecretContent
) -> bool:
    """Write the content if the Secret is still as it was read; return False if another replica was faster.

    Raises Refused, OSError.
    """
    if stored.raw:
        method, path, before = "PUT", installation.secret_path, stored.raw
    else:
        method, path, before = "POST", installation.secrets_path, _new_secret(installation)
    status, answer = await api.call(method, path, body=write_content(content, before))
    if status in (OK, CREATED):
        return True
    # A PUT gets 404 if the Secret was deleted; a POST gets it if the namespace is missing, which is no race.
    if status == CONFLICT or (status == NOT_FOUND and method == "PUT"):
        return False
    raise Refused(f"{method} {path}", status, answer)


async def request_rotation(api: ApiServer, installation: Installation, rotation: Rotation) -> None:
    """Request a rotation in the Secret; a replica starts it at its next read. Raises Refused, OSError.

    `graceful`: the former authority is removed after its last leaf expired. `revoke`: as soon as every replica had time
    to take the new leaf, so that a leaked key becomes worthless.
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
