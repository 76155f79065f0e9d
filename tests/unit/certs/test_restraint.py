"""When replicas write little or nothing: conflicts, missing registrations or rights, shutdown, many replicas."""

from datetime import timedelta

import pytest
from cryptography import x509
from structlog.testing import capture_logs
from support.certificate_secrets import EMPTY_SECRET, encode
from support.fake_store import Change, parse
from support.memory_api import MUTATING, SECRET, VALIDATING, registration, service
from support.rotation_world import SCHEDULE, START, World, entry_bundles

from certs.api import Installation
from certs.certificate import write_certificates
from certs.rotation import MAX_AUTHORITIES
from certs.rotation_steps import create
from certs.secret_content import read_content
from webhook.server.decision_log import open_log
from webhook.server.status_events import StatusEvents

NAMES = Installation().names
FOREIGN = create(NAMES, START, SCHEDULE)


@pytest.fixture
def world() -> World:
    """Two replicas that have served for some minutes."""
    world = World({"a": timedelta(), "b": timedelta()})
    world.api.put(EMPTY_SECRET)
    world.api.put(registration())
    world.minutes(3)
    forget(world)
    return world


def forget(world: World) -> None:
    """Reset the counts."""
    world.events.clear()
    world.api.writes.clear()


def emitted(world: World, event: str) -> int:
    """Return how many times an event was emitted."""
    return [word for _, word, _ in world.events].count(event)


def overwrite(world: World) -> None:
    """Replace our caBundle by a foreign one."""
    item = world.api.stored(MUTATING)
    item["webhooks"][0]["clientConfig"]["caBundle"] = encode(write_certificates(FOREIGN.bundle))
    world.api.put(item)


def test_a_fight_over_the_ca_bundle_is_told_and_not_looped(world: World) -> None:
    """Another client overwrites it after each repair, for two hours; then they stop, and it is repaired for good."""
    world.guarded = False
    for _ in range(144):
        overwrite(world)
        world.minutes(1)
    # Each replica makes ten repairs, then one in five minutes, and a first one that may have been due anyway.
    assert world.api.writes["PATCH", MUTATING] <= 2 * (1 + 10 + 144 // 5)
    assert emitted(world, "ca-bundle-contested") in range(2, 2 * (10 + 144 // 5))
    world.minutes(6)
    assert emitted(world, "ca-bundle-recovered") >= 2
    assert FOREIGN.bundle[0] in x509.load_pem_x509_certificates(entry_bundles(world.api)[0])
    assert set(read_content(world.api.stored(SECRET)).bundle) < set(
        x509.load_pem_x509_certificates(entry_bundles(world.api)[0])
    )


def test_a_fight_over_the_secret_is_told_and_not_looped(world: World) -> None:
    """Another client empties it after each repair, for two hours."""
    for _ in range(144):
        world.api.put(EMPTY_SECRET)
        world.minutes(1)
    assert world.api.writes["PUT", SECRET] <= 2 * (10 + 144 // 5)
    assert emitted(world, "secret-contested") in range(2, 2 * (10 + 144 // 5))
    world.minutes(6)
    assert read_content(world.api.stored(SECRET)).leaf == world.replicas["a"].controller.tls.leaf


@pytest.mark.parametrize("path", [MUTATING, SECRET])
def test_a_client_that_undoes_writes_at_once_is_not_raced(path: str, world: World) -> None:
    """A controller that watches the object, and puts its own version back within milliseconds."""
    world.guarded = False
    theirs = registration() if path == MUTATING else EMPTY_SECRET
    note, undoing = world.api.store.on_change, list[Change]()
    assert note

    def undo(change: Change) -> None:
        note(change)
        if change.address == parse(path) and not undoing:
            undoing.append(change)
            world.api.put(theirs)
            undoing.clear()

    world.api.store.on_change = undo
    world.api.put(theirs)
    world.minutes(60)
    assert world.api.writes.total() <= 50
    assert emitted(world, "ca-bundle-contested" if path == MUTATING else "secret-contested") >= 2


def test_rotations_that_are_asked_for_without_end_do_not_fill_the_secret(world: World) -> None:
    """Something sets the annotation again at each read: former authorities are kept, so a limit is needed."""
    for _ in range(200):
        world.ask("graceful")
        world.minutes(1)
    content = read_content(world.api.stored(SECRET))
    assert len(content.bundle) == MAX_AUTHORITIES
    assert len(content.retire) == MAX_AUTHORITIES - 1
    assert emitted(world, "waiting") > 0
    assert ("a", "waiting", "too-many-authorities") in {
        (name, event, facts.get("reason")) for name, event, facts in world.events
    }
    world.ask("revoke")
    world.minutes(15)
    assert len(read_content(world.api.stored(SECRET)).bundle) == 1


def test_two_installations_that_share_an_entry_live_together(world: World) -> None:
    """An entry whose URL names both: each adds its authority, neither removes the other's, and both stop writing."""
    item = registration("Mutating", service(), {"url": f"https://{NAMES[0]}/mutate/workloads"})
    world.guarded = False
    world.api.put(item)
    other = World({"c": timedelta()}, installation=Installation("elsewhere", extra_names=NAMES))
    other.api, other.elapsed, other.guarded = world.api, world.elapsed, False
    for _ in range(3):
        other.minutes(1)
        world.minutes(1)
    forget(world)
    for _ in range(20):
        other.minutes(1)
        world.minutes(1)
    assert not world.api.writes
    assert len(x509.load_pem_x509_certificates(entry_bundles(world.api)[1])) == 2


def test_a_registration_that_another_installation_took_is_told_and_left_alone(world: World) -> None:
    """Its entries call another namespace's Service: nothing is ours any more, the Secret included."""
    world.api.put(registration("Mutating", service("elsewhere")))
    world.api.put(EMPTY_SECRET)
    forget(world)
    world.minutes(5)
    assert not world.api.writes
    assert emitted(world, "registration-foreign") == 2
    assert all(one.controller.status.ready for one in world.replicas.values())


def test_nothing_is_written_once_the_registration_is_gone(world: World) -> None:
    """Uninstalling leaves nothing behind: a replica that still runs must not re-create the Secret."""
    world.api.remove(MUTATING)
    world.api.remove(SECRET)
    forget(world)
    world.minutes(5)
    assert not world.api.writes
    assert emitted(world, "registration-absent") == 2
    assert all(one.controller.status.ready for one in world.replicas.values())
    served = world.replicas["a"].controller.tls.leaf
    world.api.put(registration())
    world.minutes(1)
    assert read_content(world.api.stored(SECRET)).leaf == served


def test_a_replica_that_starts_without_a_registration_waits_with_empty_hands() -> None:
    """No leaf is served that is not in the Secret, which is written when there is a client to serve."""
    world = World({"a": timedelta()})
    world.minutes(3)
    controller = world.replicas["a"].controller
    assert (controller.tls.leaf, controller.status.ready, world.api.writes.total()) == (None, True, 0)
    world.api.put(registration("Validating"))
    world.minutes(1)
    assert controller.tls.leaf is not None
    assert world.api.writes["PATCH", VALIDATING] == 1


def test_a_replica_that_was_stopped_writes_nothing_and_follows_still(world: World) -> None:
    """SIGTERM: it answers for some seconds more, with the leaf that the others chose."""
    world.replicas["a"].controller.stop()
    world.ask("graceful")
    world.api.remove(MUTATING)
    world.api.put(registration())
    world.wait(timedelta(seconds=50))
    world.tick("a")
    assert not world.api.writes
    for _ in range(4):
        world.wait(timedelta(seconds=50))
        world.tick("b")
        world.tick("a")
    assert read_content(world.api.stored(SECRET)).leaf == world.replicas["a"].controller.tls.leaf
    assert len(read_content(world.api.stored(SECRET)).bundle) == 2


def test_a_replica_stopped_between_two_patches_sends_no_second_one(world: World) -> None:
    """The signal may come at any request."""
    world.api.put(registration("Validating"))
    item = registration()
    world.api.put(item)
    forget(world)
    while not world.api.writes:
        world.step("a")
    world.replicas["a"].controller.stop()
    world.tick("a")
    assert world.api.writes.total() == 1


def test_registrations_that_cannot_be_read_stop_rotations_and_not_renewals(world: World) -> None:
    """A leaf of the same authority is as trusted as the one before; another leaf would be a guess."""
    world.api.refusals["GET", VALIDATING] = 403
    before = read_content(world.api.stored(SECRET))
    world.ask("graceful")
    world.minutes(3)
    assert read_content(world.api.stored(SECRET)).leaf == before.leaf
    assert emitted(world, "registration-unreadable") == 2
    assert all(one.controller.status.ready for one in world.replicas.values())
    secret = world.api.stored(SECRET)
    secret["metadata"]["annotations"] = {}
    world.api.put(secret)
    world.wait(timedelta(days=9))
    world.minutes(3)
    after = read_content(world.api.stored(SECRET))
    assert after.leaf != before.leaf
    assert after.bundle == before.bundle
    assert world.replicas["b"].controller.tls.leaf == after.leaf


def test_a_secret_that_may_not_be_written_does_not_keep_the_ca_bundle_from_repair(world: World) -> None:
    """The right to update the Secret was lost, or it was made immutable: reported once, and the rest goes on."""
    world.api.refusals["PUT", SECRET] = 422
    world.ask("graceful")
    world.api.put(registration())
    forget(world)
    world.minutes(5)
    assert world.api.writes == {("PATCH", MUTATING): 1}
    assert emitted(world, "secret-write-refused") == 2


def test_a_registration_that_may_not_be_patched_is_told_once(world: World) -> None:
    """The right to patch it was lost."""
    world.api.refusals["PATCH", MUTATING] = 403
    world.api.put(registration())
    forget(world)
    world.minutes(5)
    assert not world.api.writes
    assert emitted(world, "ca-bundle-write-refused") == 2


@pytest.mark.parametrize(("refused", "event"), [(("PATCH", MUTATING), "ca-bundle"), (("PUT", SECRET), "secret")])
def test_no_problem_is_shown_after_recovery(refused: tuple[str, str], event: str, world: World) -> None:
    """Each replica reports it, also the one that found the other's repair."""
    status = {name: StatusEvents(open_log()) for name in world.replicas}
    world.api.refusals[refused] = 403
    world.ask("graceful")
    world.minutes(3)
    world.api.put(registration())
    world.minutes(3)
    del world.api.refusals[refused]
    world.minutes(9)
    assert emitted(world, f"{event}-write-refused") >= 2
    with capture_logs():
        for name, word, facts in world.events:
            status[name](word, **facts)
    assert [one.problems() for one in status.values()] == [[], []]


def test_two_hundred_replicas_converge_by_a_handful_of_writes() -> None:
    """All start at once; each turn, every one of them makes its next request."""
    world = World({f"replica-{index}": timedelta() for index in range(200)})
    world.api.put(EMPTY_SECRET)
    world.api.put(registration())
    world.api.put(registration("Validating"))
    world.guarded = False
    looking = set(world.replicas)
    while looking:
        looking -= {name for name in sorted(looking) if world.step(name)}
    world.guarded = True
    world.check()
    leaves = {one.controller.tls.leaf for one in world.replicas.values()}
    assert leaves == {read_content(world.api.stored(SECRET)).leaf}
    assert world.api.writes == {("PUT", SECRET): 1, ("PATCH", MUTATING): 1, ("PATCH", VALIDATING): 1}
