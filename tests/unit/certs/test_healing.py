"""Deleted, emptied, overwritten or replaced objects, and missed time, are repaired at the next read, in a minute."""

import base64
from collections.abc import Callable
from datetime import timedelta

import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st
from support.certificate_secrets import EMPTY_SECRET, encode
from support.memory_api import MUTATING, NAMESPACE, SECRET, VALIDATING, registration, service
from support.odd_secrets import odd_pieces
from support.rotation_world import SCHEDULE, START, World, entry_bundles

from certs.certificate import fingerprint, names_of, write_certificates
from certs.rotation_steps import create
from certs.secret_content import SecretContent, read_content, write_content

NAMES = ("gpu-injector.gpu-injector.svc",)
FOREIGN = create(NAMES, START, SCHEDULE)


def serving() -> World:
    """Return two replicas that have served from the manifest's Secret for some minutes."""
    world = World({"a": timedelta(), "b": timedelta()})
    world.api.put(EMPTY_SECRET)
    world.api.put(registration())
    world.api.put(registration("Validating"))
    world.minutes(3)
    world.events.clear()
    world.api.writes.clear()
    return world


@pytest.fixture
def world() -> World:
    """Two replicas that serve."""
    return serving()


def held(world: World) -> SecretContent:
    """Return what the Secret holds."""
    return read_content(world.api.stored(SECRET))


def is_sound(world: World) -> bool:
    """Whether all serve the Secret's leaf and every entry of ours trusts its authorities."""
    content = held(world)
    wanted = {fingerprint(one) for one in content.bundle}
    bundles = [
        {fingerprint(one) for one in x509.load_pem_x509_certificates(bundle)} if bundle else set()
        for bundle in entry_bundles(world.api)
    ]
    serve = all(
        one.controller.tls.leaf == content.leaf and one.controller.status.ready for one in world.replicas.values()
    )
    return serve and all(wanted <= bundle for bundle in bundles)


def events(world: World) -> list[str]:
    """Return the emitted events, in order."""
    return [event for _, event, _ in world.events]


def damage(world: World, **data: str) -> None:
    """Overwrite some keys of the Secret."""
    secret = world.api.stored(SECRET)
    secret["data"] |= {name.replace("_", "."): value for name, value in data.items()}
    world.api.put(secret)


DAMAGES: dict[str, Callable[[World], None]] = {
    "deleted": lambda world: world.api.remove(SECRET),
    "emptied": lambda world: world.api.put(EMPTY_SECRET),
    "garbage": lambda world: damage(world, tls_crt=encode(b"garbage")),
    "not base64": lambda world: damage(world, tls_key="%%%"),
    "mismatched": lambda world: damage(world, tls_key=encode(FOREIGN.leaf.key)),
    "bundle of others": lambda world: damage(world, ca_crt=encode(write_certificates(FOREIGN.bundle)), ca_key=""),
}


@pytest.mark.parametrize("damage_done", DAMAGES)
def test_a_damaged_secret_is_restored_from_a_replicas_memory(damage_done: str, world: World) -> None:
    """The same authority and leaf with one write: the API server sees no change."""
    before = held(world)
    DAMAGES[damage_done](world)
    world.minutes(1)
    assert held(world) == before
    assert is_sound(world)
    assert sum(world.api.writes.values()) == 1
    assert events(world).count("leaf-served") == 0


@pytest.mark.parametrize("damage_done", DAMAGES)
def test_a_damaged_secret_that_no_replica_remembers_is_recreated(damage_done: str, world: World) -> None:
    """Replicas that have just started find nothing usable: a new authority joins what the caBundle still holds."""
    before = held(world)
    DAMAGES[damage_done](world)
    world.guarded = False
    for name in world.replicas:
        world.start(name)
    world.minutes(3)
    assert is_sound(world)
    assert held(world) != before
    assert {fingerprint(before.bundle[0])} < {
        fingerprint(one) for one in x509.load_pem_x509_certificates(entry_bundles(world.api)[0])
    }


@settings(max_examples=60)
@given(odd_pieces(NAMES, START, SCHEDULE), st.sampled_from([(), ("a",), ("a", "b")]))
def test_any_content_of_the_secret_is_repaired(pieces: dict[str, bytes], restarted: tuple[str, ...]) -> None:
    """Keys of any kind, parts of several pairs, expired ones: after some minutes and a few writes everything works."""
    world = serving()
    world.guarded = False
    damage(world, **{name: encode(piece) for name, piece in pieces.items()})
    for name in restarted:
        world.start(name)
    world.minutes(6)
    assert is_sound(world)
    assert sum(world.api.writes.values()) <= 8


def test_another_key_pair_in_the_secret_is_followed_without_a_gap(world: World) -> None:
    """Its authority joins the caBundle at once; its leaf is served when the API server certainly knows it."""
    world.api.put(write_content(FOREIGN, world.api.stored(SECRET)))
    world.minutes(1)
    assert "leaf-held" in events(world)
    assert all(one.controller.status.ready for one in world.replicas.values())
    world.minutes(2)
    assert held(world).leaf == FOREIGN.leaf
    assert is_sound(world)
    assert set(world.api.writes) == {("PATCH", MUTATING), ("PATCH", VALIDATING)}


def test_a_leaf_that_waits_is_told_of_each_time(world: World) -> None:
    """Also if the Secret is restored before the new leaf was served."""
    for put in (FOREIGN, create(NAMES, START, SCHEDULE), FOREIGN):
        world.api.put(write_content(put, world.api.stored(SECRET)))
        world.minutes(3 if put is FOREIGN else 1)
    of_leaf = [word for name, word, _ in world.events if name == "a" and word.startswith("leaf-")]
    assert of_leaf == ["leaf-held", "leaf-served", "leaf-held", "leaf-recovered"]


def test_a_pair_without_its_authoritys_key_is_followed_and_later_rotated(world: World) -> None:
    """It cannot be renewed, so a new authority is staged at its renewal."""
    world.api.put(write_content(SecretContent(FOREIGN.bundle, None, FOREIGN.leaf), world.api.stored(SECRET)))
    world.minutes(3)
    assert held(world).leaf == FOREIGN.leaf
    world.wait(timedelta(days=9))
    world.minutes(4)
    assert held(world).leaf != FOREIGN.leaf
    assert is_sound(world)


def clear_bundles(world: World) -> None:
    """Apply the manifest again, as `helm upgrade` and GitOps do."""
    for path in (MUTATING, VALIDATING):
        item = world.api.stored(path)
        for webhook in item["webhooks"]:
            webhook["clientConfig"].pop("caBundle", None)
        world.api.put(item)


def test_a_cleared_ca_bundle_is_repaired_at_the_next_look(world: World) -> None:
    """One patch per registration, and no write of the Secret."""
    clear_bundles(world)
    world.minutes(1)
    assert is_sound(world)
    assert world.api.writes == {("PATCH", MUTATING): 1, ("PATCH", VALIDATING): 1}


def test_an_added_entry_gets_the_ca_bundle(world: World) -> None:
    """A newer version's entry, or an administrator's; entries that call others are not changed."""
    item = world.api.stored(MUTATING)
    item["webhooks"] += [
        {"name": "later.gpu-injector.io", "clientConfig": service()},
        {"name": "other.example", "clientConfig": service("other")},
    ]
    world.api.put(item)
    world.minutes(1)
    first, later, other = (webhook["clientConfig"] for webhook in world.api.stored(MUTATING)["webhooks"])
    assert later["caBundle"] == first["caBundle"]
    assert "caBundle" not in other


def test_foreign_authorities_in_the_ca_bundle_stay(world: World) -> None:
    """A repair only adds."""
    item = world.api.stored(MUTATING)
    item["webhooks"][0]["clientConfig"]["caBundle"] = encode(write_certificates(FOREIGN.bundle))
    world.guarded = False
    world.api.put(item)
    world.minutes(1)
    bundle = base64.b64decode(world.api.stored(MUTATING)["webhooks"][0]["clientConfig"]["caBundle"])
    assert set(x509.load_pem_x509_certificates(bundle)) == {*held(world).bundle, *FOREIGN.bundle}


@pytest.mark.parametrize(
    "asleep", [timedelta(days=13), timedelta(days=40)], ids=["past the leaf", "past the authority"]
)
def test_a_cluster_asleep_past_expiry_heals_at_its_first_read(asleep: timedelta, world: World) -> None:
    """The laptop was closed for weeks."""
    world.guarded = False
    world.wait(asleep)
    world.minutes(1)
    assert is_sound(world)
    leaf = held(world).leaf.parse()
    assert leaf.not_valid_after_utc > START + world.elapsed
    assert sum(world.api.writes.values()) <= 3


def test_a_replica_with_an_old_copy_of_the_secret_follows(world: World) -> None:
    """Its delayed write, based on an old read, is refused; then it reads the new state."""
    world.ask("graceful")
    for _ in range(3):
        world.step("a")
    world.ask("revoke")
    while world.step("b") is False:
        pass
    staged = held(world)
    world.tick("a")
    assert held(world) == staged
    assert "secret-race-lost" in events(world)
    world.minutes(3)
    assert is_sound(world)


def test_names_that_a_newer_replica_asks_for_are_added(world: World) -> None:
    """A rolling update that adds `--tls-name`: old and new replicas do not overwrite each other's leaf."""
    newer = World({"c": timedelta()}, installation=type(world.installation)(extra_names=("127.0.0.1",)))
    newer.api = world.api
    newer.elapsed = world.elapsed
    for _ in range(3):
        newer.minutes(1)
        world.minutes(1)
    assert names_of(held(world).leaf.parse()) == {*NAMES, "127.0.0.1"}
    assert is_sound(world)
    assert world.api.writes == {("PUT", SECRET): 1}


def test_clocks_an_hour_apart_converge_by_a_handful_of_writes() -> None:
    """Neither treats the other's certificates as expired or not yet valid."""
    world = World({"a": timedelta(minutes=30), "b": timedelta(minutes=-30)})
    world.api.put(registration())
    world.minutes(20)
    assert is_sound(world)
    assert sum(world.api.writes.values()) == 2
    assert NAMESPACE in world.api.stored(SECRET)["metadata"]["namespace"]
