"""Reads our entries in the registrations, and adds authorities to their caBundle.

Rights: get and patch of the two named registrations. The JSON Patch tests the registration's resourceVersion and the
entry's name, so that it never changes an entry that was moved or replaced.
"""

import base64
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509

from certs.api import REGISTRATION_KINDS, Installation, canonical_name
from certs.certificate import fingerprint, read_certificates, write_certificates
from webhook.kube_client.api_error import ApiError
from webhook.kube_client.client import KubeClient

# What a replica finds: an entry of ours, only entries of others, no registration, or no right to read it.
REGISTRATION_STATES = ("ours", "foreign", "absent", "unreadable")

# The annotations that name the source from which cert-manager's injector writes a caBundle.
# Source: https://cert-manager.io/docs/concepts/ca-injector/
INJECTED_BY = ("cert-manager.io/inject-ca-from", "cert-manager.io/inject-ca-from-secret")


@dataclass(frozen=True, slots=True)
class Entry:
    """One webhook entry that calls us: its index, its name, the authorities of its caBundle, and its URL.

    The URL is empty if the entry names the Service.
    """

    index: int
    name: str
    authorities: tuple[x509.Certificate, ...]
    url: str = ""


@dataclass(frozen=True, slots=True)
class Registration:
    """A MutatingWebhookConfiguration or ValidatingWebhookConfiguration, and which of its entries are ours.

    `injector` names the object from which cert-manager writes the caBundle; empty if cert-manager does not write it.
    `foreign` are the names of entries that send requests to another server.
    """

    kind: str
    resource_version: str
    entries: tuple[Entry, ...]
    injector: str = ""
    foreign: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Trust:
    """What every caBundle should contain: the Secret's authorities, and none that retired or expired long ago.

    Two values are equal if the Secret is the same, whenever it was read.
    """

    authorities: tuple[x509.Certificate, ...]
    retired: frozenset[str]
    expired_before: datetime = field(compare=False)

    def bundle(self, present: Iterable[x509.Certificate]) -> tuple[x509.Certificate, ...]:
        """Return the present authorities plus ours, without those that retired or expired."""
        union = {fingerprint(one): one for one in (*self.authorities, *present)}
        return tuple(one for name, one in union.items() if name not in self.retired and self._is_unexpired(one))

    def _is_unexpired(self, authority: x509.Certificate) -> bool:
        return authority.not_valid_after_utc >= self.expired_before


async def read_registrations(client: KubeClient, installation: Installation) -> tuple[Registration, ...]:
    """Read both registrations; a registration that is absent or being deleted is omitted. Raises ApiError, OSError."""
    found = []
    for kind in REGISTRATION_KINDS:
        answer = await client.find(installation.registration_path(kind)) or {}
        metadata = answer.get("metadata")
        if isinstance(metadata, dict) and not metadata.get("deletionTimestamp"):
            version, entries = str(metadata.get("resourceVersion")), _entries(answer, installation)
            found.append(Registration(kind, version, entries, _injector(metadata), _foreign(answer, installation)))
    return tuple(found)


def authorities_of(registrations: Iterable[Registration]) -> tuple[tuple[x509.Certificate, ...], ...]:
    """Return the authorities that each entry of ours trusts, an empty caBundle included."""
    return tuple(entry.authorities for registration in registrations for entry in registration.entries)


def state_of(registrations: tuple[Registration, ...] | None) -> str:
    """Return one of REGISTRATION_STATES; `registrations` is None if they are unreadable."""
    if registrations is None:
        return "unreadable"
    return "ours" if authorities_of(registrations) else "foreign" if registrations else "absent"


def foreign_count(registrations: tuple[Registration, ...] | None) -> int | None:
    """Count the entries of our registrations that lead elsewhere; None for registrations that cannot be read."""
    return None if registrations is None else sum(len(one.foreign) for one in registrations)


def patch_for(registration: Registration, trust: Trust) -> list[dict[str, Any]]:
    """Return the JSON Patch that corrects the caBundle of every entry of ours; empty if all are correct."""
    operations: list[dict[str, Any]] = []
    for entry in registration.entries:
        bundle = trust.bundle(entry.authorities)
        if set(bundle) != set(entry.authorities):
            path = f"/webhooks/{entry.index}"
            value = base64.b64encode(write_certificates(bundle)).decode()
            operations.append({"op": "test", "path": f"{path}/name", "value": entry.name})
            operations.append({"op": "add", "path": f"{path}/clientConfig/caBundle", "value": value})
    if operations:
        pinned = {"op": "test", "path": "/metadata/resourceVersion", "value": registration.resource_version}
        operations.insert(0, pinned)
    return operations


async def patch_registration(
    client: KubeClient, installation: Installation, registration: Registration, operations: list[dict[str, Any]]
) -> bool:
    """Send a patch; False if the registration changed since it was read. Raises ApiError, OSError."""
    try:
        await client.patch(installation.registration_path(registration.kind), operations)
    except ApiError as error:
        if error.lost_race:
            return False
        raise
    return True


def _entries(registration: Mapping[str, Any], installation: Installation) -> tuple[Entry, ...]:
    return tuple(
        Entry(index, name, trusted_by(client), str(client.get("url") or ""))
        for index, (name, client) in enumerate(_clients(registration))
        if is_ours(client, installation)
    )


def _foreign(registration: Mapping[str, Any], installation: Installation) -> tuple[str, ...]:
    return tuple(name for name, client in _clients(registration) if not is_ours(client, installation))


def _clients(registration: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield name and ``clientConfig`` of each entry, in order."""
    webhooks = registration.get("webhooks")
    for webhook in webhooks if isinstance(webhooks, list) else []:
        entry = webhook if isinstance(webhook, dict) else {}
        client = entry.get("clientConfig")
        yield str(entry.get("name")), client if isinstance(client, dict) else {}


def _injector(metadata: Mapping[str, Any]) -> str:
    annotations = metadata.get("annotations")
    found = annotations if isinstance(annotations, dict) else {}
    return next((str(found[key]) for key in INJECTED_BY if found.get(key)), "")


def is_ours(client: Mapping[str, Any], installation: Installation) -> bool:
    """Return whether a ``clientConfig`` points to this installation's Service or to a name of its leaf."""
    service, url = client.get("service"), client.get("url")
    if isinstance(service, dict):
        return (service.get("namespace"), service.get("name")) == (installation.namespace, installation.name)
    return isinstance(url, str) and _host(url) in installation.names


def _host(url: str) -> str | None:
    try:
        return canonical_name(urlsplit(url).hostname or "")
    except ValueError:
        return None


def server_name(client: Mapping[str, Any], installation: Installation) -> str:
    """Return the name for which the API server verifies our certificate when it calls a ``clientConfig``."""
    return (_host(str(client.get("url") or "")) or "") if "url" in client else installation.names[0]


def trusted_by(client: Mapping[str, Any]) -> tuple[x509.Certificate, ...]:
    """Return the authorities of the caBundle of a ``clientConfig``; none if it cannot be read."""
    try:
        return read_certificates(base64.b64decode(str(client.get("caBundle") or ""), validate=True))
    except ValueError:
        return ()
