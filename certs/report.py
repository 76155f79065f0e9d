"""The content of `certs show`: the Secret, the registrations, and the next step for both."""

from dataclasses import dataclass
from datetime import datetime

from certs.api import Installation, canonical_name
from certs.certificate import fingerprint, names_of
from certs.rotation import Action, RotationState, RotationStep, Schedule, next_renewal, plan
from certs.secret_content import SecretContent
from certs.secret_store import read_secret
from certs.webhook_configs import Registration, authorities_of, read_registrations
from webhook.kube_client.client import KubeClient


@dataclass(frozen=True, slots=True)
class LeafFacts:
    """The Secret's leaf: its names, its expiry, and the authority (fingerprint) that verifies it."""

    fingerprint: str
    names: tuple[str, ...]
    expires: datetime
    issued_by: str | None


@dataclass(frozen=True, slots=True)
class AuthorityFacts:
    """An authority in the Secret: whether it issues the next leaf, and when it is removed (None: it stays)."""

    fingerprint: str
    expires: datetime
    signs: bool
    retires: datetime | None


@dataclass(frozen=True, slots=True)
class EntryFacts:
    """An entry of ours: kind of registration, name, trusted fingerprints, and whether it accepts the leaf."""

    registration: str
    name: str
    authorities: tuple[str, ...]
    accepts_leaf: bool


@dataclass(frozen=True, slots=True)
class Report:
    """Everything about the certificates of one installation. `trouble` says why there is no leaf.

    `injector` names the object from which cert-manager writes the caBundle; `mounted` is the folder of the served
    files. If both are empty, the replicas manage the certificate.
    """

    trouble: str
    leaf: LeafFacts | None
    authorities: tuple[AuthorityFacts, ...]
    entries: tuple[EntryFacts, ...]
    injector: str
    mounted: str
    next_step: RotationStep
    next_renewal: datetime | None


async def find_installation(client: KubeClient, namespace: str) -> Installation:
    """Return the installation of a namespace, with the names from its certificate.

    Raises ApiError, OSError.
    """
    plain = Installation(namespace=namespace)
    stored = await read_secret(client, plain)
    names = names_of(stored.content.leaf.parse()) if stored.content else frozenset()
    extra = sorted(name for name in names - {plain.names[0]} if _is_name(name))
    return Installation(namespace=namespace, extra_names=tuple(extra))


async def describe(
    client: KubeClient, installation: Installation, schedule: Schedule, now: datetime, mounted: str = ""
) -> Report:
    """Read once, with the rights of the caller; `mounted` as in Report. Raises ApiError, OSError."""
    registrations = await read_registrations(client, installation)
    stored = await read_secret(client, installation)
    registered = authorities_of(registrations)
    everywhere = set.intersection(*(set(map(fingerprint, one)) for one in registered)) if registered else set()
    state = RotationState(
        secret=stored.content,
        problem=stored.problem,
        memory=None,
        registered=registered,
        # A single read cannot know ages, so this shows the plan as it will be in a minute.
        settled=frozenset(everywhere),
        leaf_age=schedule.handover,
        names=installation.names,
        who="",
        now=now,
    )
    content, injector = stored.content, next((one.injector for one in registrations if one.injector), "")
    return Report(
        trouble=stored.problem,
        leaf=_leaf(content, state) if content else None,
        authorities=_authorities(content) if content else (),
        entries=tuple(_entries(registrations, content, state)),
        injector=injector,
        mounted=mounted,
        next_step=_kept_elsewhere(injector, mounted) or plan(state, schedule),
        next_renewal=next_renewal(content, "", now) if content else None,
    )


def _is_name(name: str) -> bool:
    """Return whether a certificate's name can be an Installation's name: a wildcard cannot."""
    try:
        return bool(canonical_name(name))
    except ValueError:
        return False


def _kept_elsewhere(injector: str, mounted: str) -> RotationStep | None:
    if injector:
        why = f"cert-manager renews the certificate and writes the caBundle ({injector})"
        return RotationStep(Action.WAIT, "cert-manager", why)
    if mounted:
        why = f"the tool that writes the files in {mounted} renews them and writes the caBundle"
        return RotationStep(Action.WAIT, "files", why)
    return None


def _leaf(content: SecretContent, state: RotationState) -> LeafFacts:
    leaf = content.leaf.parse()
    return LeafFacts(fingerprint(leaf), tuple(sorted(names_of(leaf))), leaf.not_valid_after_utc, state.issued_by)


def _authorities(content: SecretContent) -> tuple[AuthorityFacts, ...]:
    signing = content.signer.parse() if content.signer else None
    return tuple(
        AuthorityFacts(name := fingerprint(one), one.not_valid_after_utc, one == signing, content.retire.get(name))
        for one in content.bundle
    )


def _entries(
    registrations: tuple[Registration, ...], content: SecretContent | None, state: RotationState
) -> list[EntryFacts]:
    return [
        EntryFacts(
            registration.kind,
            entry.name,
            tuple(map(fingerprint, entry.authorities)),
            content is not None and state.issuer(content.leaf, entry.authorities) is not None,
        )
        for registration in registrations
        for entry in registration.entries
    ]
