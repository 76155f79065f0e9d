"""The caBundle of the API server verifies every served leaf, even if replicas are late, slow, or crash."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st
from support.interleavings import explore
from support.memory_api import SECRET, registration, service
from support.rotation_world import World, entry_bundles

from certs.certificate import fingerprint
from certs.secret_content import read_content

IN_STEP = {"a": timedelta(), "b": timedelta()}
APART = {"a": timedelta(minutes=30), "b": timedelta(minutes=-30)}


def new_world(skews: dict[str, timedelta] | None = None) -> World:
    """Return a cluster with one registration of ours, and replicas that have not read anything yet."""
    world = World(skews or IN_STEP)
    world.api.put(registration())
    return world


def after(world: World, *, asked: str = "", elapsed: timedelta = timedelta()) -> Callable[[], World]:
    """Return a factory of worlds with the objects of this one, whose replicas have read everything once."""
    store = world.api.store

    def prepare() -> World:
        copy = World(world.skews, elapsed=world.elapsed)
        copy.api.store.objects, copy.api.store.revision = dict(store.objects), store.revision
        copy.bundles.append((copy.elapsed - timedelta(minutes=2), tuple(entry_bundles(copy.api))))
        for name in copy.replicas:
            copy.tick(name)
        copy.elapsed += elapsed
        if asked:
            copy.ask(asked)
        return copy

    return prepare


def steady() -> World:
    """Return a cluster in which nothing is due."""
    world = new_world()
    world.rest()
    return world


def staged() -> World:
    """Return a cluster whose new authority is in the Secret and the registration."""
    world = steady()
    world.ask("graceful")
    world.rest()
    return world


def renewed() -> World:
    """Return a cluster on its second leaf of the new authority; the former authority can be removed within days."""
    world = staged()
    world.minutes(4)
    world.wait(timedelta(days=9))
    world.rest()
    return world


PHASES: dict[str, Callable[[], Callable[[], World]]] = {
    "create": lambda: new_world,
    "stage": lambda: after(steady(), asked="graceful"),
    "switch": lambda: after(staged(), elapsed=timedelta(seconds=61)),
    "renew": lambda: after(steady(), elapsed=timedelta(days=9)),
    "retire": lambda: after(renewed(), elapsed=timedelta(days=3, hours=2)),
}


def converged(world: World) -> None:
    """Both replicas serve what the Secret holds, and all entries trust its authorities and no others."""
    world.tick("a")
    world.tick("b")
    # A replica that began after the others trusts its own sight only.
    world.wait(timedelta(seconds=61))
    world.tick("a")
    world.tick("b")
    content = read_content(world.api.stored(SECRET))
    assert [replica.controller.tls.leaf for replica in world.replicas.values()] == [content.leaf] * len(world.replicas)
    wanted = {fingerprint(one) for one in content.bundle}
    for bundle in entry_bundles(world.api):
        assert {fingerprint(one) for one in x509.load_pem_x509_certificates(bundle)} == wanted


@pytest.mark.parametrize("action", PHASES)
def test_no_order_of_two_replicas_requests_breaks_the_handover(action: str) -> None:
    """Every interleaving of one tick of each replica, with a crash of one between any two requests."""
    actions: set[object] = set()

    def conclude(world: World) -> None:
        converged(world)
        actions.update(facts["action"] for _, event, facts in world.events if event == "secret-written")

    assert explore(PHASES[action](), conclude) > 10
    assert action in actions


def test_a_whole_life_is_accepted_by_openssl(tmp_path: Path) -> None:
    """Two rotations and the renewals between them, read by each replica a few times a day."""
    world = new_world(APART)
    world.rest()
    for _ in range(110):
        world.wait(timedelta(hours=12))
        world.minutes(3)
    written = [facts["action"] for _, event, facts in world.events if event == "secret-written"]
    assert {"create", "renew", "stage", "switch", "retire"} == set(written)
    assert written.count("retire") == 2
    assert len(world.met) > 10
    world.ask_openssl(tmp_path)


def test_a_replica_that_is_cut_off_is_trusted_until_its_leaf_expires() -> None:
    """The former authority stays in the bundle even if the other replica rotated quickly."""
    world = after(steady(), asked="graceful")()
    world.step("a")
    while world.elapsed < timedelta(days=12) - timedelta(minutes=2):
        world.wait(timedelta(minutes=30))
        world.tick("b")
    assert world.replicas["a"].controller.tls.leaf != world.replicas["b"].controller.tls.leaf


NAMES = st.sampled_from(["a", "b"])
EVENTS = st.one_of(
    st.tuples(st.just("step"), NAMES),
    st.tuples(st.just("tick"), NAMES),
    st.tuples(st.just("crash"), NAMES),
    st.tuples(st.just("wait"), st.sampled_from([5, 30, 61, 300])),
    st.tuples(st.just("sleep"), st.sampled_from([6, 12, 24])),
    st.tuples(st.just("ask"), st.just("graceful")),
)


def let_happen(world: World, what: str, which: object) -> None:
    """Let one event happen. Before a long sleep, each replica that has not read for half a day does."""
    match what, which:
        case "step", str(name):
            world.step(name)
        case "tick", str(name):
            world.tick(name)
        case "crash", str(name):
            world.start(name)
        case "wait", int(seconds):
            world.wait(timedelta(seconds=seconds))
        case "sleep", int(hours):
            if any(world.elapsed - one.last_tick > timedelta(hours=12) for one in world.replicas.values()):
                world.minutes(3)
            world.wait(timedelta(hours=hours))
        case _, str(rotation):
            world.ask(rotation)


@settings(max_examples=40)
@given(st.sampled_from([IN_STEP, APART]), st.lists(EVENTS, min_size=10, max_size=120))
def test_no_history_of_two_replicas_makes_the_api_server_refuse(
    skews: dict[str, timedelta], events: list[tuple[str, object]]
) -> None:
    """Late answers, crashes, sleeps of a day, rotations at any time, and clocks that differ by an hour."""
    world = new_world(skews)
    world.api.put(registration("Validating", service(), {"url": "https://elsewhere.example/warn"}))
    for event in events:
        let_happen(world, *event)
    for name in world.replicas:
        world.tick(name)
    world.minutes(4)
    assert len({one.controller.tls.leaf for one in world.replicas.values()}) == 1
