"""Carrying out a step of the plan on the Secret's content: the one place where keys are made. Nothing is stored."""

from dataclasses import replace
from datetime import UTC, datetime

from certs.certificate import fingerprint, names_of, read_certificates
from certs.issuer import issue_leaf, make_authority
from certs.rotation import Action, Schedule, Situation, Step, leaving
from certs.secret_content import Material

# How a certificate without an end says so (RFC 5280, section 4.1.2.5): the last date there is.
NEVER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


def carry_out(step: Step, situation: Situation, schedule: Schedule) -> Material:
    """Return what the Secret is to hold after a step. Raises ValueError for a WAIT, or a step that cannot be taken."""
    material, memory = situation.secret, situation.memory
    match step.action:
        case Action.RESTORE if memory:
            return memory
        case Action.STAGE if material:
            return _stage(material, situation, schedule)
        case Action.SWITCH | Action.RENEW if material:
            return _reissue(material, situation, schedule)
        case Action.RETIRE if material:
            former = leaving(material, situation, schedule)
            return replace(material, bundle=tuple(one for one in material.bundle if fingerprint(one) not in former))
        case Action.CREATE:
            return create(situation.names, situation.now, schedule)
    raise ValueError(f"{step.action} has nothing to work on")


def create(names: tuple[str, ...], now: datetime, schedule: Schedule) -> Material:
    """Make a new authority and its first leaf."""
    authority = make_authority(now, schedule.authority_lifetime)
    leaf = issue_leaf(authority, names, now, schedule.leaf_lifetime)
    return Material(read_certificates(authority.certificate), authority, leaf)


def _stage(material: Material, situation: Situation, schedule: Schedule) -> Material:
    authority = make_authority(situation.now, schedule.authority_lifetime)
    # The former authority's key ends here, so its last leaf is the one that is served now.
    leaves = min(material.leaf.parse().not_valid_after_utc, NEVER - schedule.skew) + schedule.skew
    retire = dict(material.retire)
    for former in map(fingerprint, material.bundle):
        retire[former] = situation.now if material.rotate == "revoke" else max(leaves, retire.get(former, leaves))
    bundle = (*read_certificates(authority.certificate), *material.bundle)
    return Material(bundle, authority, material.leaf, retire)


def _reissue(material: Material, situation: Situation, schedule: Schedule) -> Material:
    signer = material.signer
    if signer is None:
        raise ValueError("the signing authority's key is not known")
    leaf = issue_leaf(signer, _names(material, situation), situation.now, schedule.leaf_lifetime)
    if situation.issuer(leaf, material.bundle) is None:
        # An authority of somebody else's, with constraints that forbid our names.
        return create(situation.names, situation.now, schedule)
    return replace(material, leaf=leaf)


def _names(material: Material, situation: Situation) -> tuple[str, ...]:
    """Our names, and those of the leaf when ours were missing: replicas that ask for different names must not fight."""
    present = names_of(material.leaf.parse())
    wanted = dict.fromkeys(situation.names)
    if set(wanted) <= present or not set(wanted) & present:
        return tuple(wanted)
    return (*wanted, *sorted(present - set(wanted)))
