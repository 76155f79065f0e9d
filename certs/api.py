"""What certs asks of a connection to the API server, and where one installation keeps its things there."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

JSON = "application/json"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"

OK = 200
CREATED = 201
NOT_FOUND = 404
CONFLICT = 409
UNPROCESSABLE = 422

REGISTRATION_KINDS = ("mutatingwebhookconfigurations", "validatingwebhookconfigurations")


class ApiServer(Protocol):
    """A connection to the API server."""

    async def call(
        self, method: str, path: str, *, body: object = None, content_type: str = JSON, timeout_seconds: float = 10
    ) -> tuple[int, dict[str, Any]]:
        """Return status and JSON object ({} if the body is none). Raises OSError if no answer came."""
        ...


class Refused(Exception):  # noqa: N818 - the field's word: the API server refused a request
    """The API server answered, but neither yes nor a lost race: no right, a broken server, an immutable Secret."""

    def __init__(self, request: str, status: int, answer: Mapping[str, Any]) -> None:
        # Only the stable word of the answer: its message may repeat what was sent, and that holds private keys.
        self.status = status
        self.reason = str(answer.get("reason") or "")[:64]
        super().__init__(f"{request}: {status} {self.reason}".rstrip())


@dataclass(frozen=True, slots=True)
class Installation:
    """One installation: namespace, the name of its Service, Secret and registrations, and names beside the Service's.

    Raises ValueError if a name is neither a DNS name nor an IP address.
    """

    namespace: str = "gpu-injector"
    name: str = "gpu-injector"
    extra_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "extra_names", tuple(canonical_name(name) for name in self.extra_names))

    @property
    def names(self) -> tuple[str, ...]:
        """What the leaf must be good for. The first is what the API server asks for when it calls a Service."""
        return (f"{self.name}.{self.namespace}.svc", *self.extra_names)

    @property
    def secrets_path(self) -> str:
        """The Secrets of the own namespace, for a create."""
        return f"/api/v1/namespaces/{self.namespace}/secrets"

    @property
    def secret_path(self) -> str:
        """The one Secret."""
        return f"{self.secrets_path}/{self.name}"

    def registration_path(self, kind: str) -> str:
        """One of the registrations (a word of REGISTRATION_KINDS)."""
        return f"/apis/admissionregistration.k8s.io/v1/{kind}/{self.name}"


def canonical_name(name: str) -> str:
    """Return a DNS name in lower case or an IP address in its shortest form. Raises ValueError for anything else."""
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        lower = name.lower().rstrip(".")
    labels = lower.split(".")
    if len(lower) > 253 or not all(_is_label(label) for label in labels):  # noqa: PLR2004 - RFC 1035's limit
        raise ValueError(f"neither a DNS name nor an IP address: {name!r}")
    return lower


def _is_label(label: str) -> bool:
    plain = label.replace("-", "").replace("_", "")
    return 0 < len(label) < 64 and plain.isascii() and plain.isalnum() and label[0] != "-" and label[-1] != "-"  # noqa: PLR2004
