"""What there is and what comes next, for `certs show`: the Secret, the registrations, and the plan for both."""

from dataclasses import dataclass
from datetime import datetime

from certs.api import Installation, canonical_name
from certs.certificate import fingerprint, names_of
from certs.rotation import Action, Schedule, Situation, Step, next_renewal, plan
from certs.secret_content import Material
from certs.secret_store import read_secret
from certs.webhook_configs import Registration, authorities_of, read_registrations
from webhook.kube_client.client import KubeClient


@dataclass(frozen=True, slots=True)
class LeafFacts:
    """The Secret's leaf: what it is good for, until when, and which authority (fingerprint) it verifies by."""

    fingerprint: str
    names: tuple[str, ...]
    expires: datetime
    issued_by: str | None


@dataclass(frozen=True, slots=True)
class AuthorityFacts:
    """An authority of the Secret: whether it issues the next leaf, and when a former one may leave (None: it stays)."""

    fingerprint: str
    expires: datetime
    signs: bool
    retires: datetime | None


@dataclass(frozen=True, slots=True)
class EntryFacts:
    """An entry of ours: its registration's kind, its name, whom it trusts (fingerprints), and whether that suffices."""

    registration: str
    name: str
    authorities: tuple[str, ...]
    accepts_leaf: bool


@dataclass(frozen=True, slots=True)
class Report:
    """Everything about the certificates of one installation. `trouble` says why there is no leaf.

    `injector` is what cert-manager writes the caBundle from, `mounted` the folder that replicas serve from; where both
    are empty, replicas keep everything themselves.
    """

    trouble: str
    leaf: LeafFacts | None
    authorities: tuple[AuthorityFacts, ...]
    entries: tuple[EntryFacts, ...]
    injector: str
    mounted: str
    next_step: Step
    next_renewal: datetime | None


async def find_installation(client: KubeClient, namespace: str) -> Installation:
    """Return the installation of a namespace, with the names that its replicas ask for: those of its certificate.

    Raises ApiError, OSError.
    """
    plain = Installation(namespace=namespace)
    stored = await read_secret(client, plain)
    names = names_of(stored.material.leaf.parse()) if stored.material else frozenset()
    extra = sorted(name for name in names - {plain.names[0]} if _is_name(name))
    return Installation(namespace=namespace, extra_names=tuple(extra))


async def describe(
    client: KubeClient, installation: Installation, schedule: Schedule, now: datetime, mounted: str = ""
) -> Report:
    """Look once, with the rights of whoever asks; `mounted` as in Report. Raises ApiError, OSError."""
    registrations = await read_registrations(client, installation)
    stored = await read_secret(client, installation)
    registered = authorities_of(registrations)
    everywhere = set.intersection(*(set(map(fingerprint, one)) for one in registered)) if registered else set()
    situation = Situation(
        secret=stored.material,
        trouble=stored.trouble,
        memory=None,
        registered=registered,
        # One look cannot tell for how long: the plan is shown as it will be in a minute.
        settled=frozenset(everywhere),
        leaf_age=schedule.handover,
        names=installation.names,
        who="",
        now=now,
    )
    material, injector = stored.material, next((one.injector for one in registrations if one.injector), "")
    return Report(
        trouble=stored.trouble,
        leaf=_leaf(material, situation) if material else None,
        authorities=_authorities(material) if material else (),
        entries=tuple(_entries(registrations, material, situation)),
        injector=injector,
        mounted=mounted,
        next_step=_kept_elsewhere(injector, mounted) or plan(situation, schedule),
        next_renewal=next_renewal(material, "", now) if material else None,
    )


def _is_name(name: str) -> bool:
    """Whether a name of a certificate is one to ask for: a wildcard of somebody else's is none."""
    try:
        return bool(canonical_name(name))
    except ValueError:
        return False


def _kept_elsewhere(injector: str, mounted: str) -> Step | None:
    if injector:
        why = f"cert-manager renews the certificate and writes the caBundle ({injector})"
        return Step(Action.WAIT, "cert-manager", why)
    if mounted:
        why = f"whoever writes the files of {mounted} renews them and writes the caBundle"
        return Step(Action.WAIT, "files", why)
    return None


def _leaf(material: Material, situation: Situation) -> LeafFacts:
    leaf = material.leaf.parse()
    return LeafFacts(fingerprint(leaf), tuple(sorted(names_of(leaf))), leaf.not_valid_after_utc, situation.issued_by)


def _authorities(material: Material) -> tuple[AuthorityFacts, ...]:
    signing = material.signer.parse() if material.signer else None
    return tuple(
        AuthorityFacts(name := fingerprint(one), one.not_valid_after_utc, one == signing, material.retire.get(name))
        for one in material.bundle
    )


def _entries(
    registrations: tuple[Registration, ...], material: Material | None, situation: Situation
) -> list[EntryFacts]:
    return [
        EntryFacts(
            registration.kind,
            entry.name,
            tuple(map(fingerprint, entry.authorities)),
            material is not None and situation.issuer(material.leaf, entry.authorities) is not None,
        )
        for registration in registrations
        for entry in registration.entries
    ]
