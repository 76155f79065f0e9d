"""The plan of a certificate's life, pure: what the Secret needs next, and why.

STAGE: a new authority joins the bundle; the old leaf is still served. Then every entry of the registrations must carry
the new authority, seen by this replica itself for a while, since each API server has a cache of its own.
SWITCH: a leaf from the new authority. RETIRE: the old authority leaves after its last leaf expired.
The state is in the certificates themselves: a leaf whose issuer is not the signing authority *is* STAGE.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from cryptography import x509

from certs.certificate import (
    KeyPair,
    fingerprint,
    is_valid_at,
    names_of,
    renewal,
    verify,
)
from certs.secret_content import Material

# Each is kept until its last leaf expired. Whoever asks for rotations without end must not fill Secret and caBundle.
MOST_AUTHORITIES = 32


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long certificates live and how long a rotation waits."""

    authority_lifetime: timedelta = timedelta(days=365)
    leaf_lifetime: timedelta = timedelta(days=90)
    # An API server may call with the registration as it was this long ago.
    settle: timedelta = timedelta(seconds=60)
    # A revoked authority leaves when every replica had this long to take the new leaf.
    handover: timedelta = timedelta(minutes=4)
    # Clocks of replicas and API servers may differ by this much.
    skew: timedelta = timedelta(hours=1)


class Action(StrEnum):
    """What is to be done to the Secret."""

    CREATE = "create"
    RESTORE = "restore"
    STAGE = "stage"
    SWITCH = "switch"
    RENEW = "renew"
    RETIRE = "retire"
    WAIT = "wait"


@dataclass(frozen=True, slots=True)
class Step:
    """The next step: what, why in a stable word, and a sentence for the log."""

    action: Action
    reason: str
    why: str


@dataclass(frozen=True, slots=True)
class Situation:
    """What one replica knows when it plans.

    `registered`: the authorities of each entry that is ours, () if there is no such entry, None if unknown.
    `settled`: fingerprints of authorities that this replica saw in all of them for the settling time.
    `leaf_age`: for how long this replica has seen the Secret's leaf. `trouble`: why `secret` is None.
    `issued_by` follows from these: fingerprint of the authority by which the Secret's own leaf verifies, or None.
    """

    secret: Material | None
    trouble: str
    memory: Material | None
    registered: Sequence[Sequence[x509.Certificate]] | None
    settled: frozenset[str]
    leaf_age: timedelta
    names: tuple[str, ...]
    who: str
    now: datetime
    issued_by: str | None = field(init=False)

    def __post_init__(self) -> None:
        issued_by = self.issuer(self.secret.leaf, self.secret.bundle) if self.secret else None
        object.__setattr__(self, "issued_by", issued_by)

    def issuer(self, leaf: KeyPair, authorities: Sequence[x509.Certificate]) -> str | None:
        """Return the fingerprint of the authority that vouches for a leaf under one of our names now, or None."""
        roots = (verify(leaf.certificate, authorities, name, self.now) for name in self.names)
        return next((fingerprint(root) for root in roots if root), None)


def plan(situation: Situation, schedule: Schedule) -> Step:
    """Say what the Secret needs next."""
    step = _wanted(situation, schedule)
    if situation.registered is None and step.action not in (Action.RENEW, Action.WAIT):
        return Step(Action.WAIT, "registration-unreadable", f"{step.action} waits: the registrations cannot be read")
    if situation.registered == () and step.action is not Action.WAIT:
        return Step(Action.WAIT, "registration-absent", f"{step.action} waits: no registration has an entry of ours")
    return step


def next_renewal(material: Material, who: str, now: datetime) -> datetime:
    """When leaf or signing authority is due, whichever comes first."""
    pairs = [material.leaf, *([material.signer] if material.signer else [])]
    return min(renewal(pair.parse(), now, who).at for pair in pairs)


def leaving(material: Material, situation: Situation, schedule: Schedule) -> frozenset[str]:
    """Fingerprints of the former authorities that may leave the bundle now: nobody serves a leaf of theirs."""
    if situation.leaf_age < schedule.handover:
        return frozenset()
    kept = {situation.issued_by, _signing(material)}
    over = {authority for authority, when in material.retire.items() if when <= situation.now}
    expired = {fingerprint(one) for one in material.bundle if one.not_valid_after_utc < situation.now - schedule.skew}
    return frozenset({fingerprint(one) for one in material.bundle} & (over | expired) - kept)


def _wanted(situation: Situation, schedule: Schedule) -> Step:
    material = situation.secret
    if material is None or situation.issued_by is None:
        return _heal(situation)
    signer = material.signer.parse() if material.signer else None
    # One that expired meanwhile issues nothing any more: it is due, and another is staged.
    if signer and fingerprint(signer) != situation.issued_by and situation.now <= signer.not_valid_after_utc:
        return _staged(fingerprint(signer), situation)
    if due := _due(material, situation):
        return due
    if former := leaving(material, situation, schedule):
        return Step(
            Action.RETIRE, "last-leaf-over", f"nobody serves a leaf of {len(former)} former authorities any more"
        )
    if material.rotate:
        why = f"{MOST_AUTHORITIES} authorities are trusted; the rotation waits until one may leave"
        return Step(Action.WAIT, "too-many-authorities", why)
    soon = next_renewal(material, situation.who, situation.now)
    return Step(Action.WAIT, "nothing-due", f"the next renewal is due at {soon:%Y-%m-%d %H:%M}Z")


def _heal(situation: Situation) -> Step:
    material, memory = situation.secret, situation.memory
    reason, why = ("no-secret", situation.trouble) if material is None else _unusable(material, situation)
    signer = material.signer if material else None
    if signer and is_valid_at(signer.parse(), situation.now):
        return Step(Action.RENEW, reason, why)
    if memory is not None and situation.issuer(memory.leaf, memory.bundle):
        return Step(Action.RESTORE, reason, f"{why}; this replica still has the last good one")
    return Step(Action.CREATE, reason, why)


def _unusable(material: Material, situation: Situation) -> tuple[str, str]:
    leaf = material.leaf.parse()
    if not is_valid_at(leaf, situation.now):
        return "leaf-expired", f"the leaf is valid from {leaf.not_valid_before_utc} to {leaf.not_valid_after_utc} only"
    if not set(situation.names) & names_of(leaf):
        return "names-missing", f"the leaf is not good for {situation.names[0]}"
    return "chain-broken", "no valid authority of ca.crt vouches for the leaf"


def _staged(signing: str, situation: Situation) -> Step:
    if signing in situation.settled:
        return Step(Action.SWITCH, "authority-settled", "every entry has carried the new authority for long enough")
    return Step(Action.WAIT, "settling", "the new authority is not in every entry yet, or not for long enough")


def _due(material: Material, situation: Situation) -> Step | None:
    if material.rotate == "revoke" or (material.rotate and len(material.bundle) < MOST_AUTHORITIES):
        return Step(Action.STAGE, "asked", f"a {material.rotate} rotation was asked for")
    signer, leaf = material.signer, renewal(material.leaf.parse(), situation.now, situation.who)
    missing = sorted(set(situation.names) - names_of(material.leaf.parse()))
    if signer and (authority := renewal(signer.parse(), situation.now, situation.who)).due:
        return Step(Action.STAGE, f"authority-{authority.reason}", f"the authority is due since {authority.at}")
    if not (leaf.due or missing):
        return None
    reason, why = (
        ("names-missing", f"the leaf lacks {missing}") if missing else (f"leaf-{leaf.reason}", "the leaf is due")
    )
    if signer is None:
        return Step(Action.STAGE, reason, f"{why}, and its authority's key is not ours")
    return Step(Action.RENEW, reason, why)


def _signing(material: Material) -> str | None:
    return fingerprint(material.signer.parse()) if material.signer else None
