"""Applies a step of the plan to the Secret's content: the only place that creates keys. Nothing is stored."""

from dataclasses import replace
from datetime import UTC, datetime

from certs.certificate import fingerprint, names_of, read_certificates
from certs.issuer import issue_leaf, make_authority
from certs.rotation import Action, RotationState, RotationStep, Schedule, removable
from certs.secret_content import SecretContent

# The expiry date of a certificate that never expires (RFC 5280, section 4.1.2.5).
NEVER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


def carry_out(step: RotationStep, state: RotationState, schedule: Schedule) -> SecretContent:
    """Return the Secret's content after a step. Raises ValueError for a WAIT or an impossible step."""
    content, memory = state.secret, state.memory
    match step.action:
        case Action.RESTORE if memory:
            return memory
        case Action.STAGE if content:
            return _stage(content, state, schedule)
        case Action.SWITCH | Action.RENEW if content:
            return _reissue(content, state, schedule)
        case Action.RETIRE if content:
            former = removable(content, state, schedule)
            return replace(content, bundle=tuple(one for one in content.bundle if fingerprint(one) not in former))
        case Action.CREATE:
            return create(state.names, state.now, schedule)
    raise ValueError(f"{step.action} cannot be applied to this Secret")


def create(names: tuple[str, ...], now: datetime, schedule: Schedule) -> SecretContent:
    """Create a new authority and its first leaf."""
    authority = make_authority(now, schedule.authority_lifetime)
    leaf = issue_leaf(authority, names, now, schedule.leaf_lifetime)
    return SecretContent(read_certificates(authority.certificate), authority, leaf)


def _stage(content: SecretContent, state: RotationState, schedule: Schedule) -> SecretContent:
    authority = make_authority(state.now, schedule.authority_lifetime)
    # The former authority's key is dropped here, so its last leaf is the served one.
    leaves = min(content.leaf.parse().not_valid_after_utc, NEVER - schedule.skew) + schedule.skew
    retire = dict(content.retire)
    for former in map(fingerprint, content.bundle):
        retire[former] = state.now if content.rotate == "revoke" else max(leaves, retire.get(former, leaves))
    bundle = (*read_certificates(authority.certificate), *content.bundle)
    return SecretContent(bundle, authority, content.leaf, retire)


def _reissue(content: SecretContent, state: RotationState, schedule: Schedule) -> SecretContent:
    signer = content.signer
    if signer is None:
        raise ValueError("the signing authority's key is not known")
    leaf = issue_leaf(signer, _names(content, state), state.now, schedule.leaf_lifetime)
    if state.issuer(leaf, content.bundle) is None:
        # An authority from another tool, with constraints that forbid our names.
        return create(state.names, state.now, schedule)
    return replace(content, leaf=leaf)


def _names(content: SecretContent, state: RotationState) -> tuple[str, ...]:
    """Return our names and, if some were missing, the leaf's too: replicas with different names must not compete."""
    present = names_of(content.leaf.parse())
    wanted = dict.fromkeys(state.names)
    if set(wanted) <= present or not set(wanted) & present:
        return tuple(wanted)
    return (*wanted, *sorted(present - set(wanted)))
