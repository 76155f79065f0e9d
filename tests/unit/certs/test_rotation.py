"""The plan: what the Secret needs next and why, and what carrying it out leaves in the Secret."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from certs.certificate import fingerprint, names_of
from certs.issuer import make_authority
from certs.rotation import Action, Schedule, Situation, plan
from certs.rotation_steps import NEVER, carry_out, create
from certs.secret_content import Material

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
NAMES = ("gpu-injector.gpu-injector.svc", "127.0.0.1")
SCHEDULE = Schedule()
GOOD, OTHER = create(NAMES, NOW, SCHEDULE), create(NAMES, NOW, SCHEDULE)


def situation(secret: Material | None = GOOD, **changes: Any) -> Situation:  # noqa: ANN401 - any field of Situation
    """Return a situation in which nothing is due, but for the changes."""
    quiet: dict[str, Any] = {
        "secret": secret,
        "trouble": "the Secret is absent" if secret is None else "",
        "memory": None,
        "registered": (secret.bundle if secret else (),),
        "settled": frozenset(map(fingerprint, secret.bundle if secret else ())),
        "leaf_age": DAY,
        "names": NAMES,
        "who": "replica",
        "now": NOW,
    }
    return Situation(**(quiet | changes))


def stage(material: Material, **changes: Any) -> Material:  # noqa: ANN401 - any field of Situation
    """Return the material with a new authority staged."""
    asked = situation(replace(material, rotate="graceful"), **changes)
    return carry_out(plan(asked, SCHEDULE), asked, SCHEDULE)


STAGED = stage(GOOD)
SWITCHED = carry_out(plan(situation(STAGED), SCHEDULE), situation(STAGED), SCHEDULE)
NAMED_OTHERWISE = create(("elsewhere.example",), NOW, SCHEDULE)
HALF_NAMED = create(NAMES[:1], NOW, SCHEDULE)
OLD = NOW + 91 * DAY
LATE = situation(now=NOW + 200 * DAY)
RENEWED = carry_out(plan(LATE, SCHEDULE), LATE, SCHEDULE)

ROWS: list[tuple[str, Situation, Action, str]] = [
    ("first start", situation(None), Action.CREATE, "no-secret"),
    ("deleted, and remembered", situation(None, memory=GOOD), Action.RESTORE, "no-secret"),
    ("deleted, and what is remembered expired", situation(None, memory=GOOD, now=OLD), Action.CREATE, "no-secret"),
    ("nothing due", situation(), Action.WAIT, "nothing-due"),
    ("no registration", situation(None, registered=()), Action.WAIT, "registration-absent"),
    ("registrations unreadable", situation(None, registered=None), Action.WAIT, "registration-unreadable"),
    ("leaf due", situation(now=NOW + 64 * DAY), Action.RENEW, "leaf-two-thirds-over"),
    ("leaf due, blind", situation(now=NOW + 64 * DAY, registered=None), Action.RENEW, "leaf-two-thirds-over"),
    ("leaf due, no registration", situation(now=NOW + 64 * DAY, registered=()), Action.WAIT, "registration-absent"),
    ("asleep past the leaf", situation(now=OLD), Action.RENEW, "leaf-expired"),
    ("asleep past the authority", situation(now=NOW + 400 * DAY), Action.CREATE, "leaf-expired"),
    ("from the future", situation(now=NOW - DAY), Action.CREATE, "leaf-expired"),
    ("authority due", situation(RENEWED, now=NOW + 256 * DAY), Action.STAGE, "authority-two-thirds-over"),
    ("asked", situation(replace(GOOD, rotate="graceful")), Action.STAGE, "asked"),
    (
        "asked, blind",
        situation(replace(GOOD, rotate="graceful"), registered=None),
        Action.WAIT,
        "registration-unreadable",
    ),
    ("staged, unsettled", situation(STAGED, settled=frozenset()), Action.WAIT, "settling"),
    ("staged, settled", situation(STAGED), Action.SWITCH, "authority-settled"),
    ("staged, old leaf expired", situation(STAGED, settled=frozenset(), now=OLD), Action.RENEW, "leaf-expired"),
    (
        "staged, asked again",
        situation(replace(STAGED, rotate="graceful"), settled=frozenset()),
        Action.WAIT,
        "settling",
    ),
    ("switched", situation(SWITCHED), Action.WAIT, "nothing-due"),
    ("switched, former leaf valid", situation(SWITCHED, now=NOW + 59 * DAY), Action.WAIT, "nothing-due"),
    ("half of our names", situation(HALF_NAMED), Action.RENEW, "names-missing"),
    ("none of our names", situation(NAMED_OTHERWISE), Action.RENEW, "names-missing"),
    ("no signer, fresh", situation(replace(GOOD, signer=None)), Action.WAIT, "nothing-due"),
    ("no signer, due", situation(replace(GOOD, signer=None), now=NOW + 64 * DAY), Action.STAGE, "leaf-two-thirds-over"),
    ("no signer, half named", situation(replace(HALF_NAMED, signer=None)), Action.STAGE, "names-missing"),
    ("no signer, not ours", situation(replace(NAMED_OTHERWISE, signer=None)), Action.CREATE, "names-missing"),
    ("torn chain", situation(replace(GOOD, bundle=OTHER.bundle, signer=None)), Action.CREATE, "chain-broken"),
    (
        "torn chain, remembered",
        situation(replace(GOOD, bundle=OTHER.bundle, signer=None), memory=GOOD),
        Action.RESTORE,
        "chain-broken",
    ),
    (
        "torn chain, signer",
        situation(replace(GOOD, bundle=OTHER.bundle, signer=OTHER.signer)),
        Action.RENEW,
        "chain-broken",
    ),
]


@pytest.mark.parametrize(("seen", "action", "reason"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_the_plan_names_the_next_step_and_why(seen: Situation, action: Action, reason: str) -> None:
    """One row a situation; the sentence is for people and never empty."""
    step = plan(seen, SCHEDULE)
    assert (step.action, step.reason) == (action, reason)
    assert step.why


@pytest.mark.parametrize(("seen", "action"), [row[1:3] for row in ROWS if row[2] is not Action.WAIT])
def test_a_step_that_was_carried_out_is_not_due_again(seen: Situation, action: Action) -> None:
    """Whatever a step leaves in the Secret, the plan's next step is another one, or none."""
    after = carry_out(plan(seen, SCHEDULE), seen, SCHEDULE)
    again = situation(after, names=seen.names, now=seen.now)
    assert again.issued_by is not None
    assert plan(again, SCHEDULE).action is not action


def test_a_step_that_waits_cannot_be_carried_out() -> None:
    """Nothing is written for want of something to do."""
    with pytest.raises(ValueError, match="wait has nothing"):
        carry_out(plan(situation(), SCHEDULE), situation(), SCHEDULE)


def test_staging_keeps_the_leaf_and_drops_the_former_key() -> None:
    """From STAGE on nobody can issue a leaf of the former authority, so its last leaf is known."""
    assert STAGED.leaf == GOOD.leaf
    assert STAGED.signer is not None
    assert STAGED.signer != GOOD.signer
    assert STAGED.bundle[1:] == GOOD.bundle
    assert list(STAGED.retire) == [fingerprint(GOOD.bundle[0])]


def test_switching_issues_from_the_new_authority_and_trusts_both() -> None:
    """Replicas that still serve the former leaf are accepted for as long as it lives."""
    assert SWITCHED.bundle == STAGED.bundle
    assert situation(SWITCHED).issued_by == fingerprint(STAGED.bundle[0])


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
    due = situation(SWITCHED, now=NOW + 64 * DAY)
    renewed = carry_out(plan(due, SCHEDULE), due, SCHEDULE)
    seen = situation(renewed, now=now, leaf_age=leaf_age)
    step = plan(seen, SCHEDULE)
    assert (step.action is Action.RETIRE) == leaves
    if leaves:
        after = carry_out(step, seen, SCHEDULE)
        assert after.bundle == STAGED.bundle[:1]
        assert after.retired == {fingerprint(GOOD.bundle[0])}


def test_a_revoked_authority_leaves_minutes_after_the_switch() -> None:
    """Not at its last leaf's end, but when every replica had time to take the new leaf."""
    revoking = situation(replace(SWITCHED, rotate="revoke"))
    staged = carry_out(plan(revoking, SCHEDULE), revoking, SCHEDULE)
    switched = carry_out(plan(situation(staged), SCHEDULE), situation(staged), SCHEDULE)
    assert plan(situation(switched, leaf_age=timedelta(minutes=3)), SCHEDULE).action is Action.WAIT
    later = situation(switched, leaf_age=timedelta(minutes=5))
    assert carry_out(plan(later, SCHEDULE), later, SCHEDULE).bundle == staged.bundle[:1]


def test_missing_names_are_added_to_those_that_are_there() -> None:
    """Two replicas with different names converge: each adds its own, neither takes the other's away."""
    seen = situation(HALF_NAMED, names=(NAMES[0], "10.0.0.1"))
    first = carry_out(plan(seen, SCHEDULE), seen, SCHEDULE)
    then = situation(first, names=(NAMES[0], "10.0.0.2"))
    second = carry_out(plan(then, SCHEDULE), then, SCHEDULE)
    assert names_of(second.leaf.parse()) == {NAMES[0], "10.0.0.1", "10.0.0.2"}


def test_an_authority_that_may_not_name_us_is_replaced() -> None:
    """A signer whose leaf would not verify is not used: here a leaf that poses as an authority."""
    posing = replace(GOOD, bundle=(GOOD.leaf.parse(),), signer=GOOD.leaf, leaf=NAMED_OTHERWISE.leaf)
    seen = situation(posing)
    healed = carry_out(plan(seen, SCHEDULE), seen, SCHEDULE)
    assert situation(healed).issued_by is not None
    assert healed.bundle[0] != GOOD.leaf.parse()


def test_an_authority_that_expired_before_its_first_leaf_is_replaced() -> None:
    """Somebody put its key beside a leaf of another authority; nothing can be issued from it any more."""
    expired = make_authority(NOW - 10 * DAY, 5 * DAY)
    seen = situation(replace(GOOD, bundle=(expired.parse(), *GOOD.bundle), signer=expired))
    step = plan(seen, SCHEDULE)
    assert (step.action, step.reason) == (Action.STAGE, "authority-expired")
    staged = situation(carry_out(step, seen, SCHEDULE))
    assert plan(staged, SCHEDULE).action is Action.SWITCH


def test_certificates_without_an_end_are_planned_for() -> None:
    """Some issuers write the last date there is; adding an hour of skew to that date is no date."""
    endless = create(NAMES, NOW, Schedule(authority_lifetime=NEVER - NOW, leaf_lifetime=NEVER - NOW))
    assert plan(situation(endless), SCHEDULE).reason == "nothing-due"
    staged = stage(endless)
    assert set(staged.retire.values()) == {NEVER}
    assert plan(situation(staged), SCHEDULE).action is Action.SWITCH
