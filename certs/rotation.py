"""Plans the rotation of certificates: what the Secret needs next, and why. Pure.

STAGE: add a new authority to the bundle; the old leaf is still served. Then this replica must see the new authority in
every entry of the registrations for a while, because each API server has its own cache.
SWITCH: issue a leaf from the new authority. RETIRE: remove the old authority after its last leaf expired.
The certificates themselves are the state: if the leaf's issuer is not the signing authority, STAGE is done.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from cryptography import x509

from certs.certificate import KeyPair, fingerprint, is_valid_at, names_of, renewal, verify
from certs.secret_content import SecretContent

# Each authority is kept until its last leaf expired. Endless rotation requests must not fill Secret and caBundle.
MAX_AUTHORITIES = 32


@dataclass(frozen=True, slots=True)
class Schedule:
    """Lifetimes of certificates, and the waiting times of a rotation."""

    authority_lifetime: timedelta = timedelta(days=365)
    leaf_lifetime: timedelta = timedelta(days=90)
    # An API server may use a registration that is this old.
    settle: timedelta = timedelta(seconds=60)
    # A revoked authority is removed after every replica had this long to take the new leaf.
    handover: timedelta = timedelta(minutes=4)
    # Clocks of replicas and API servers may differ by this much.
    skew: timedelta = timedelta(hours=1)


class Action(StrEnum):
    """What to do with the Secret."""

    CREATE = "create"
    RESTORE = "restore"
    STAGE = "stage"
    SWITCH = "switch"
    RENEW = "renew"
    RETIRE = "retire"
    WAIT = "wait"


@dataclass(frozen=True, slots=True)
class RotationStep:
    """The next step: the action, a stable word for the reason, and a sentence for the log."""

    action: Action
    reason: str
    why: str


@dataclass(frozen=True, slots=True)
class RotationState:
    """What one replica knows when it plans.

    `registered`: the authorities of each entry of ours; () if there is no such entry, None if unknown.
    `settled`: fingerprints of authorities that this replica saw in all entries for the settling time.
    `leaf_age`: how long this replica has seen the Secret's leaf. `problem`: why `secret` is None.
    `issued_by` is derived: the fingerprint of the authority that verifies the Secret's own leaf, or None.
    """

    secret: SecretContent | None
    problem: str
    memory: SecretContent | None
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
        """Return the fingerprint of the authority that verifies a leaf for one of our names now, or None."""
        roots = (verify(leaf.certificate, authorities, name, self.now) for name in self.names)
        return next((fingerprint(root) for root in roots if root), None)


def plan(state: RotationState, schedule: Schedule) -> RotationStep:
    """Return what the Secret needs next."""
    step = _wanted(state, schedule)
    if state.registered is None and step.action not in (Action.RENEW, Action.WAIT):
        why = f"{step.action} waits: the registrations cannot be read"
        return RotationStep(Action.WAIT, "registration-unreadable", why)
    if state.registered == () and step.action is not Action.WAIT:
        why = f"{step.action} waits: no registration has an entry of ours"
        return RotationStep(Action.WAIT, "registration-absent", why)
    return step


def next_renewal(content: SecretContent, who: str, now: datetime) -> datetime:
    """Return when the leaf or the signing authority must be renewed, whichever comes first."""
    pairs = [content.leaf, *([content.signer] if content.signer else [])]
    return min(renewal(pair.parse(), now, who).at for pair in pairs)


def removable(content: SecretContent, state: RotationState, schedule: Schedule) -> frozenset[str]:
    """Fingerprints of former authorities that can be removed from the bundle: no replica serves a leaf of theirs."""
    if state.leaf_age < schedule.handover:
        return frozenset()
    kept = {state.issued_by, _signing(content)}
    over = {authority for authority, when in content.retire.items() if when <= state.now}
    expired = {fingerprint(one) for one in content.bundle if one.not_valid_after_utc < state.now - schedule.skew}
    return frozenset({fingerprint(one) for one in content.bundle} & (over | expired) - kept)


def _wanted(state: RotationState, schedule: Schedule) -> RotationStep:
    content = state.secret
    if content is None or state.issued_by is None:
        return _heal(state)
    signer = content.signer.parse() if content.signer else None
    # An expired authority issues nothing: it is due for renewal, and another is staged.
    if signer and fingerprint(signer) != state.issued_by and state.now <= signer.not_valid_after_utc:
        return _staged(fingerprint(signer), state)
    if due := _due(content, state):
        return due
    if former := removable(content, state, schedule):
        why = f"no replica serves a leaf of {len(former)} former authorities any more"
        return RotationStep(Action.RETIRE, "last-leaf-over", why)
    if content.rotate:
        why = f"{MAX_AUTHORITIES} authorities are trusted; the rotation waits until one can be removed"
        return RotationStep(Action.WAIT, "too-many-authorities", why)
    soon = next_renewal(content, state.who, state.now)
    return RotationStep(Action.WAIT, "nothing-due", f"the next renewal is due at {soon:%Y-%m-%d %H:%M}Z")


def _heal(state: RotationState) -> RotationStep:
    content, memory = state.secret, state.memory
    reason, why = ("no-secret", state.problem) if content is None else _unusable(content, state)
    signer = content.signer if content else None
    if signer and is_valid_at(signer.parse(), state.now):
        return RotationStep(Action.RENEW, reason, why)
    if memory is not None and state.issuer(memory.leaf, memory.bundle):
        return RotationStep(Action.RESTORE, reason, f"{why}; this replica still has the last good one")
    return RotationStep(Action.CREATE, reason, why)


def _unusable(content: SecretContent, state: RotationState) -> tuple[str, str]:
    leaf = content.leaf.parse()
    if not is_valid_at(leaf, state.now):
        return "leaf-expired", f"the leaf is valid from {leaf.not_valid_before_utc} to {leaf.not_valid_after_utc} only"
    if not set(state.names) & names_of(leaf):
        return "names-missing", f"the leaf is not valid for {state.names[0]}"
    return "chain-broken", "no valid authority in ca.crt verifies the leaf"


def _staged(signing: str, state: RotationState) -> RotationStep:
    if signing in state.settled:
        return RotationStep(Action.SWITCH, "authority-settled", "every entry has had the new authority for long enough")
    return RotationStep(Action.WAIT, "settling", "the new authority is not in every entry yet, or not for long enough")


def _due(content: SecretContent, state: RotationState) -> RotationStep | None:
    if content.rotate == "revoke" or (content.rotate and len(content.bundle) < MAX_AUTHORITIES):
        return RotationStep(Action.STAGE, "asked", f"a {content.rotate} rotation was requested")
    signer, leaf = content.signer, renewal(content.leaf.parse(), state.now, state.who)
    missing = sorted(set(state.names) - names_of(content.leaf.parse()))
    if signer and (authority := renewal(signer.parse(), state.now, state.who)).due:
        why = f"the authority has been due for renewal since {authority.at}"
        return RotationStep(Action.STAGE, f"authority-{authority.reason}", why)
    if not (leaf.due or missing):
        return None
    reason, why = (
        ("names-missing", f"the leaf lacks {missing}") if missing else (f"leaf-{leaf.reason}", "the leaf is due")
    )
    if signer is None:
        return RotationStep(Action.STAGE, reason, f"{why}, and its authority's key is unknown")
    return RotationStep(Action.RENEW, reason, why)


def _signing(content: SecretContent) -> str | None:
    return fingerprint(content.signer.parse()) if content.signer else None
