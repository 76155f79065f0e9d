"""Where one installation has its objects in the API server, and the names of its Service."""

import ipaddress
from dataclasses import dataclass

REGISTRATION_KINDS = ("mutatingwebhookconfigurations", "validatingwebhookconfigurations")


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
