"""Which leaf a replica serves, pure: the Secret's, unless the API server would still refuse that one.

Only a leaf that was in the Secret is ever served.
"""

from certs.certificate import KeyPair
from certs.rotation import Situation
from certs.secret_content import Material


def why_adopt(served: KeyPair | None, secret: Material, situation: Situation) -> str | None:
    """Say in a stable word why the Secret's leaf is to be served from now on; None to keep the one that is served."""
    if served is None:
        return "first"
    if served == secret.leaf:
        return None
    if situation.issued_by in situation.settled:
        return "settled"
    if situation.issued_by is not None and situation.issued_by == situation.issuer(served, secret.bundle):
        return "same-authority"
    return _nothing_to_lose(served, secret, situation)


def is_own_fault(served: KeyPair | None, secret: Material, situation: Situation) -> bool:
    """Whether an entry refuses what this replica serves, or it serves nothing, and accepts what the Secret holds."""
    if served == secret.leaf:
        return False
    for authorities in situation.registered or ():
        refuses = served is None or situation.issuer(served, authorities) is None
        if refuses and situation.issuer(secret.leaf, authorities):
            return True
    return False


def _nothing_to_lose(served: KeyPair, secret: Material, situation: Situation) -> str | None:
    if situation.registered == ():
        return "no-registration"
    if situation.registered is None:
        return None if situation.issuer(served, secret.bundle) else "served-untrusted"
    accepting = _accepting(served, situation)
    if not accepting:
        return "served-refused"
    return "better-accepted" if _accepting(secret.leaf, situation) > accepting else None


def _accepting(leaf: KeyPair, situation: Situation) -> int:
    return sum(situation.issuer(leaf, authorities) is not None for authorities in situation.registered or ())
