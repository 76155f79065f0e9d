"""The plan: what the Secret needs next and why, and the content of the Secret after each step."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from certs.certificate import fingerprint, names_of
from certs.issuer import make_authority
from certs.rotation import Action, RotationState, Schedule, plan
from certs.rotation_steps import NEVER, carry_out, create
from certs.secret_content import SecretContent

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
NAMES = ("gpu-injector.gpu-injector.svc", "127.0.0.1")
SCHEDULE = Schedule()
GOOD, OTHER = create(NAMES, NOW, SCHEDULE), create(NAMES, NOW, SCHEDULE)


def state(secret: SecretContent | None = GOOD, **changes: Any) -> RotationState:  # noqa: ANN401 - any field of RotationState
    """Return a state in which nothing is due, but for the changes."""
    quiet: dict[str, Any] = {
        "secret": secret,
        "problem": "the Secret is absent" if secret is None else "",
        "memory": None,
        "registered": (secret.bundle if secret else (),),
        "settled": frozenset(map(fingerprint, secret.bundle if secret else ())),
        "leaf_age": DAY,
        "names": NAMES,
        "who": "replica",
        "now": NOW,
    }
    return RotationState(**(quiet | changes))


def stage(content: SecretContent, **changes: Any) -> SecretContent:  # noqa: ANN401 - any field of RotationState
    """Return the content with a new authority staged."""
    asked = state(replace(content, rotate="graceful"), **changes)
    return carry_out(plan(asked, SCHEDULE), asked, SCHEDULE)


STAGED = stage(GOOD)
SWITCHED = carry_out(plan(state(STAGED), SCHEDULE), state(STAGED), SCHEDULE)
NAMED_OTHERWISE = create(("elsewhere.example",), NOW, SCHEDULE)
HALF_NAMED = create(NAMES[:1], NOW, SCHEDULE)
OLD = NOW + 91 * DAY
LATE = state(now=NOW + 200 * DAY)
RENEWED = carry_out(plan(LATE, SCHEDULE), LATE, SCHEDULE)

ROWS: list[tuple[str, RotationState, Action, str]] = [
    ("first start", state(None), Action.CREATE, "no-secret"),
    ("deleted, and remembered", state(None, memory=GOOD), Action.RESTORE, "no-secret"),
    ("deleted, and what is remembered expired", state(None, memory=GOOD, now=OLD), Action.CREATE, "no-secret"),
    ("nothing due", state(), Action.WAIT, "nothing-due"),
    ("no registration", state(None, registered=()), Action.WAIT, "registration-absent"),
    ("registrations unreadable", state(None, registered=None), Action.WAIT, "registration-unreadable"),
    ("leaf due", state(now=NOW + 64 * DAY), Action.RENEW, "leaf-two-thirds-over"),
    ("leaf due, blind", state(now=NOW + 64 * DAY, registered=None), Action.RENEW, "leaf-two-thirds-over"),
    ("leaf due, no registration", state(now=NOW + 64 * DAY, registered=()), Action.WAIT, "registration-absent"),
    ("asleep past the leaf", state(now=OLD), Action.RENEW, "leaf-expired"),
    ("asleep past the authority", state(now=NOW + 400 * DAY), Action.CREATE, "leaf-expired"),
    ("from the future", state(now=NOW - DAY), Action.CREATE, "leaf-expired"),
    ("authority due", state(RENEWED, now=NOW + 256 * DAY), Action.STAGE, "authority-two-thirds-over"),
    ("asked", state(replace(GOOD, rotate="graceful")), Action.STAGE, "asked"),
    (
        "asked, blind",
        state(replace(GOOD, rotate="graceful"), registered=None),
        Action.WAIT,
        "registration-unreadable",
    ),
    ("staged, unsettled", state(STAGED, settled=frozenset()), Action.WAIT, "settling"),
    ("staged, settled", state(STAGED), Action.SWITCH, "authority-settled"),
    ("staged, old leaf expired", state(STAGED, settled=frozenset(), now=OLD), Action.RENEW, "leaf-expired"),
    (
        "staged, asked again",
        state(replace(STAGED, rotate="graceful"), settled=frozenset()),
        Action.WAIT,
        "settling",
    ),
    ("switched", state(SWITCHED), Action.WAIT, "nothing-due"),
    ("switched, former leaf valid", state(SWITCHED, now=NOW + 59 * DAY), Action.WAIT, "nothing-due"),
    ("half of our names", state(HALF_NAMED), Action.RENEW, "names-missing"),
    ("none of our names", state(NAMED_OTHERWISE), Action.RENEW, "names-missing"),
    ("no signer, fresh", state(replace(GOOD, signer=None)), Action.WAIT, "nothing-due"),
    ("no signer, due", state(replace(GOOD, signer=None), now=NOW + 64 * DAY), Action.STAGE, "leaf-two-thirds-over"),
    ("no signer, half named", state(replace(HALF_NAMED, signer=None)), Action.STAGE, "names-missing"),
    ("no signer, not ours", state(replace(NAMED_OTHERWISE, signer=None)), Action.CREATE, "names-missing"),
    ("torn chain", state(replace(GOOD, bundle=OTHER.bundle, signer=None)), Action.CREATE, "chain-broken"),
    (
        "torn chain, remembered",
        state(replace(GOOD, bundle=OTHER.bundle, signer=None), memory=GOOD),
        Action.RESTORE,
        "chain-broken",
    ),
    (
        "torn chain, signer",
        state(replace(GOOD, bundle=OTHER.bundle, signer=OTHER.signer)),
        Action.RENEW,
        "chain-broken",
    ),
]


@pytest.mark.parametrize(("seen", "action", "reason"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_the_plan_names_the_next_step_and_why(seen: RotationState, action: Action, reason: str) -> None:
    """One row for each state; the sentence for people is never empty."""
    step = plan(seen, SCHEDULE)
    assert (step.action, step.reason) == (action, reason)
    assert step.why


@pytest.mark.parametrize(("seen", "action"), [row[1:3] for row in ROWS if row[2] is not Action.WAIT])
def test_a_step_that_was_carried_out_is_not_due_again(seen: RotationState, action: Action) -> None:
    """After each step, the next step of the plan is another one, or none."""
    after = carry_out(plan(seen, SCHEDULE), seen, SCHEDULE)
    again = state(after, names=seen.names, now=seen.now)
    assert again.issued_by is not None
    assert plan(again, SCHEDULE).action is not action


def test_a_step_that_waits_cannot_be_carried_out() -> None:
    """A step without an action writes nothing."""
    with pytest.raises(ValueError, match="wait cannot be applied"):
        carry_out(plan(state(), SCHEDULE), state(), SCHEDULE)


def test_staging_keeps_the_leaf_and_drops_the_former_key() -> None:
    """From STAGE on the former authority can issue no leaf, so its last leaf is known."""
    assert STAGED.leaf == GOOD.leaf
    assert STAGED.signer is not None
    assert STAGED.signer != GOOD.signer
    assert STAGED.bundle[1:] == GOOD.bundle
    assert list(STAGED.retire) == [fingerprint(GOOD.bundle[0])]


def test_switching_issues_from_the_new_authority_and_trusts_both() -> None:
    """Replicas that still serve the former leaf are accepted for as long as it lives."""
    assert SWITCHED.bundle == STAGED.bundle
    assert state(SWITCHED).issued_by == fingerprint(STAGED.bundle[0])


FORMER = NOW + 90 * DAY + SCHEDULE.skew


@pytest.mark.parametrize(
    ("now", "leaf_age", "leaves"),
    [
        (FORMER - timedelta(seconds=1), DAY, False),
        (FORMER, DAY, True),
        (FORMER, timedelta(minutes=3), False),
        (FORMER + 9 * DAY, timedelta(minutes=4), True),
    ],
)
def test_the_former_authority_leaves_after_its_last_leaf(now: datetime, leaf_age: timedelta, *, leaves: bool) -> None:
    """An hour later even, for clocks that are behind, and not before every replica took the present leaf."""
    due = state(SWITCHED, now=NOW + 64 * DAY)
    renewed = carry_out(plan(due, SCHEDULE), due, SCHEDULE)
    seen = state(renewed, now=now, leaf_age=leaf_age)
    step = plan(seen, SCHEDULE)
    assert (step.action is Action.RETIRE) == leaves
    if leaves:
        after = carry_out(step, seen, SCHEDULE)
        assert after.bundle == STAGED.bundle[:1]
        assert after.retired == {fingerprint(GOOD.bundle[0])}


def test_a_revoked_authority_leaves_minutes_after_the_switch() -> None:
    """Not at its last leaf's end, but when every replica had time to take the new leaf."""
    revoking = state(replace(SWITCHED, rotate="revoke"))
    staged = carry_out(plan(revoking, SCHEDULE), revoking, SCHEDULE)
    switched = carry_out(plan(state(staged), SCHEDULE), state(staged), SCHEDULE)
    assert plan(state(switched, leaf_age=timedelta(minutes=3)), SCHEDULE).action is Action.WAIT
    later = state(switched, leaf_age=timedelta(minutes=5))
    assert carry_out(plan(later, SCHEDULE), later, SCHEDULE).bundle == staged.bundle[:1]


def test_missing_names_are_added_to_those_that_are_there() -> None:
    """Two replicas with different names converge: each adds its own, neither removes the other's."""
    seen = state(HALF_NAMED, names=(NAMES[0], "10.0.0.1"))
    first = carry_out(plan(seen, SCHEDULE), seen, SCHEDULE)
    then = state(first, names=(NAMES[0], "10.0.0.2"))
    second = carry_out(plan(then, SCHEDULE), then, SCHEDULE)
    assert names_of(second.leaf.parse()) == {NAMES[0], "10.0.0.1", "10.0.0.2"}


def test_an_authority_that_may_not_name_us_is_replaced() -> None:
    """A signer whose leaf would not verify is not used: here a leaf that claims to be an authority."""
    posing = replace(GOOD, bundle=(GOOD.leaf.parse(),), signer=GOOD.leaf, leaf=NAMED_OTHERWISE.leaf)
    seen = state(posing)
    healed = carry_out(plan(seen, SCHEDULE), seen, SCHEDULE)
    assert state(healed).issued_by is not None
    assert healed.bundle[0] != GOOD.leaf.parse()


def test_an_authority_that_expired_before_its_first_leaf_is_replaced() -> None:
    """The Secret contains its key with a leaf of another authority; it can issue nothing any more."""
    expired = make_authority(NOW - 10 * DAY, 5 * DAY)
    seen = state(replace(GOOD, bundle=(expired.parse(), *GOOD.bundle), signer=expired))
    step = plan(seen, SCHEDULE)
    assert (step.action, step.reason) == (Action.STAGE, "authority-expired")
    staged = state(carry_out(step, seen, SCHEDULE))
    assert plan(staged, SCHEDULE).action is Action.SWITCH


def test_certificates_without_an_end_are_planned_for() -> None:
    """Some issuers write the last possible date; adding an hour of skew to it must not overflow."""
    endless = create(NAMES, NOW, Schedule(authority_lifetime=NEVER - NOW, leaf_lifetime=NEVER - NOW))
    assert plan(state(endless), SCHEDULE).reason == "nothing-due"
    staged = stage(endless)
    assert set(staged.retire.values()) == {NEVER}
    assert plan(state(staged), SCHEDULE).action is Action.SWITCH
