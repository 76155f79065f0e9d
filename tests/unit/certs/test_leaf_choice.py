"""Which leaf a replica serves, and whether only this replica serves a leaf that the API server refuses."""

from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from support.certificate_secrets import GOOD, NOW, OTHER, OURS, THIRD

from certs.certificate import KeyPair, fingerprint
from certs.issuer import issue_leaf
from certs.leaf_choice import is_own_fault, why_adopt
from certs.rotation import RotationState
from certs.secret_content import SecretContent

FORMER, NEW, ELSE = GOOD.bundle[0], OTHER.bundle[0], THIRD.bundle[0]
BOTH = (FORMER, NEW)


LATER = timedelta(days=91)


def seen(
    registered: tuple[tuple[x509.Certificate, ...], ...] | None,
    *settled: x509.Certificate,
    secret: SecretContent = OTHER,
    later: timedelta = timedelta(),
) -> RotationState:
    """Return a state with what each entry trusts, what settled there, and the Secret."""
    return RotationState(
        secret=secret,
        problem="",
        memory=None,
        registered=registered,
        settled=frozenset(map(fingerprint, settled)),
        leaf_age=timedelta(days=1),
        names=OURS.names,
        who="replica",
        now=NOW + later,
    )


def renewed(content: SecretContent) -> SecretContent:
    """Return the content with another leaf of the same authority."""
    assert content.signer
    return replace(content, leaf=issue_leaf(content.signer, OURS.names, NOW + timedelta(days=64), timedelta(days=90)))


@pytest.mark.parametrize(
    ("served", "state", "why"),
    [
        (None, seen(()), "first"),
        (None, seen(((FORMER,),)), "first"),
        (OTHER.leaf, seen(((FORMER,),)), None),
        (GOOD.leaf, seen((BOTH,), FORMER, NEW), "settled"),
        (GOOD.leaf, seen((BOTH,), FORMER), None),
        (GOOD.leaf, seen(((FORMER,),), FORMER), None),
        (GOOD.leaf, seen((BOTH, (FORMER,)), FORMER), None),
        (GOOD.leaf, seen(((NEW,),)), "served-refused"),
        (GOOD.leaf, seen(((ELSE,),)), "served-refused"),
        (GOOD.leaf, seen((BOTH, (NEW,))), "better-accepted"),
        (GOOD.leaf, seen(((FORMER,), (NEW,))), None),
        (GOOD.leaf, seen(()), "no-registration"),
        (GOOD.leaf, seen(None), "served-untrusted"),
        (GOOD.leaf, seen(None, secret=replace(OTHER, bundle=BOTH)), None),
        (GOOD.leaf, seen(None, secret=renewed(GOOD), later=timedelta(hours=1)), None),
        (GOOD.leaf, seen((BOTH,), secret=renewed(GOOD), later=LATER), "served-refused"),
        (GOOD.leaf, seen(((ELSE,),), secret=renewed(GOOD), later=timedelta(days=70)), "same-authority"),
    ],
)
def test_the_secrets_leaf_is_served_when_the_api_server_takes_it(
    served: KeyPair | None, state: RotationState, why: str | None
) -> None:
    """At once if it is as trusted as the served one, or nothing can be lost; otherwise after its authority settled."""
    assert state.secret
    assert why_adopt(served, state.secret, state) == why


@pytest.mark.parametrize(
    ("served", "state", "fault"),
    [
        (GOOD.leaf, seen(((NEW,),)), True),
        (GOOD.leaf, seen((BOTH, (NEW,))), True),
        (None, seen(((NEW,),)), True),
        (GOOD.leaf, seen((BOTH,)), False),
        (GOOD.leaf, seen(((FORMER,),)), False),
        (GOOD.leaf, seen(((ELSE,),)), False),
        (GOOD.leaf, seen(((),)), False),
        (None, seen(((),)), False),
        (GOOD.leaf, seen(()), False),
        (GOOD.leaf, seen(None), False),
        (OTHER.leaf, seen(((FORMER,),)), False),
    ],
)
def test_only_a_fault_of_this_replica_alone_counts(
    served: KeyPair | None, state: RotationState, *, fault: bool
) -> None:
    """A registration that is absent, unreadable, foreign or wrong for every replica takes none out of the Service."""
    assert state.secret
    assert is_own_fault(served, state.secret, state) == fault
