"""Chooses the leaf that a replica serves: the Secret's, unless the API server would still refuse it. Pure.

A replica only serves a leaf that was in the Secret.
"""

from certs.certificate import KeyPair
from certs.rotation import RotationState
from certs.secret_content import SecretContent


def why_adopt(served: KeyPair | None, secret: SecretContent, state: RotationState) -> str | None:
    """Return a stable word for why to serve the Secret's leaf from now on; None to keep the served leaf."""
    if served is None:
        return "first"
    if served == secret.leaf:
        return None
    if state.issued_by in state.settled:
        return "settled"
    if state.issued_by is not None and state.issued_by == state.issuer(served, secret.bundle):
        return "same-authority"
    return _nothing_to_lose(served, secret, state)


def is_own_fault(served: KeyPair | None, secret: SecretContent, state: RotationState) -> bool:
    """Return whether an entry accepts the Secret's leaf but not the served one (or none is served)."""
    if served == secret.leaf:
        return False
    for authorities in state.registered or ():
        refuses = served is None or state.issuer(served, authorities) is None
        if refuses and state.issuer(secret.leaf, authorities):
            return True
    return False


def _nothing_to_lose(served: KeyPair, secret: SecretContent, state: RotationState) -> str | None:
    if state.registered == ():
        return "no-registration"
    if state.registered is None:
        return None if state.issuer(served, secret.bundle) else "served-untrusted"
    accepting = _accepting(served, state)
    if not accepting:
        return "served-refused"
    return "better-accepted" if _accepting(secret.leaf, state) > accepting else None


def _accepting(leaf: KeyPair, state: RotationState) -> int:
    return sum(state.issuer(leaf, authorities) is not None for authorities in state.registered or ())
