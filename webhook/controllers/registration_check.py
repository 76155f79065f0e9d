"""Reads our registrations back and compares them with what this version renders for the policy."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from certs.api import REGISTRATION_KINDS, Installation
from certs.certificate import KeyPair, verify
from certs.webhook_configs import is_ours, server_name, trusted_by
from webhook.kube.values import items, mapping, text
from webhook.kube_client.api_error import ApiError
from webhook.kube_client.client import KubeClient
from webhook.names import HEARTBEAT_ENTRY
from webhook.policy.model import Policy
from webhook.registration.drift import entry_drift, missing_entries

# Of what others may write.
MOST_PROBLEMS = 8

Registration = Mapping[str, Any]
Registrations = Mapping[str, Registration | None]
"""Our registrations by kind; None: there is none."""


@dataclass(frozen=True, slots=True)
class RegistrationCheck:
    """The checks of the registrations of one installation."""

    client: KubeClient
    installation: Installation
    policy: Policy

    async def read(self) -> tuple[Registrations, str]:
        """Return our registrations, and why they cannot be read (empty if they can). Raises OSError."""
        found: dict[str, Registration | None] = {}
        for kind in REGISTRATION_KINDS:
            try:
                found[kind] = await self.client.find(self.installation.registration_path(kind))
            except ApiError as error:
                return {}, error.with_request
        return found, ""

    def compare(self, registrations: Registrations) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return how the entries differ from this version, and the names of those that lead elsewhere."""
        ours: list[Registration] = []
        foreign: list[Registration] = []
        for entry in (one for found in registrations.values() for one in items(mapping(found).get("webhooks"))):
            (ours if is_ours(mapping(entry.get("clientConfig")), self.installation) else foreign).append(entry)
        missing = missing_entries(text(entry.get("name")) for entry in ours)
        changed = (
            f"{text(entry.get('name'))}: {change}"
            for entry in ours
            for change in entry_drift(entry, self.policy, self.installation.namespace)
        )
        found = (*(f"{name} is not registered" for name in missing), *changed)
        return found[:MOST_PROBLEMS], tuple(text(entry.get("name")) for entry in foreign)

    def accepts(self, registration: Registration | None, leaf: KeyPair | None, now: datetime) -> bool | None:
        """Return whether the caBundle of the heartbeat's entry accepts a leaf; None if that is unknown."""
        entries = items(mapping(registration).get("webhooks"))
        entry = next((one for one in entries if one.get("name") == HEARTBEAT_ENTRY), None)
        if leaf is None or entry is None:
            return None
        client = mapping(entry.get("clientConfig"))
        return verify(leaf.certificate, trusted_by(client), server_name(client, self.installation), now) is not None
