"""`certs show` and `certs rotate`: the present state, the next step, and a request for a rotation."""

from datetime import timedelta

import pytest
from support.memory_api import SECRET, MemoryApi, registration, service
from support.rotation_world import SCHEDULE, START, World

from certs.certificate import fingerprint
from certs.report import describe
from certs.rotation import Action
from certs.secret_content import read_content
from certs.secret_store import request_rotation
from webhook.kube_client.api_error import ApiError


@pytest.fixture
def world() -> World:
    """Two replicas that have served for some minutes."""
    world = World({"a": timedelta(), "b": timedelta()})
    world.api.put(registration("Mutating", service("other"), service()))
    world.api.put(registration("Validating"))
    world.minutes(3)
    return world


async def test_what_is_there_is_shown(world: World) -> None:
    """Leaf, authority and entries of ours, and that nothing is due before two thirds of the leaf's life."""
    report = await describe(world.api, world.installation, SCHEDULE, START + world.elapsed)
    content = read_content(world.api.stored(SECRET))
    assert report.leaf
    assert report.leaf.names == world.installation.names
    assert report.leaf.issued_by == fingerprint(content.bundle[0])
    assert [(one.signs, one.retires) for one in report.authorities] == [(True, None)]
    assert [(one.registration, one.name, one.accepts_leaf) for one in report.entries] == [
        ("mutatingwebhookconfigurations", "entry-1.gpu-injector.io", True),
        ("validatingwebhookconfigurations", "entry-0.gpu-injector.io", True),
    ]
    assert (report.next_step.action, report.next_step.reason) == (Action.WAIT, "nothing-due")
    assert report.next_renewal
    assert report.next_renewal - START == pytest.approx(timedelta(days=8), abs=timedelta(days=0.5))


async def test_a_rotation_that_was_asked_for_is_the_next_step_and_happens(world: World) -> None:
    """The removal time of the former authority is shown as soon as the new one is staged."""
    await request_rotation(world.api, world.installation, "graceful")
    report = await describe(world.api, world.installation, SCHEDULE, START + world.elapsed)
    assert report.next_step.action is Action.STAGE
    world.minutes(1)
    staged = await describe(world.api, world.installation, SCHEDULE, START + world.elapsed)
    assert staged.next_step.action is Action.SWITCH
    assert [(one.signs, one.retires is None) for one in staged.authorities] == [(True, True), (False, False)]


async def test_a_revoked_authority_is_gone_within_minutes(world: World) -> None:
    """From the Secret and from every caBundle, yet no replica was refused on the way (the world checks that)."""
    before = read_content(world.api.stored(SECRET)).bundle[0]
    await request_rotation(world.api, world.installation, "revoke")
    world.minutes(10)
    report = await describe(world.api, world.installation, SCHEDULE, START + world.elapsed)
    trusted = {one.fingerprint for one in report.authorities} | {
        name for one in report.entries for name in one.authorities
    }
    assert len(trusted) == 1
    assert fingerprint(before) not in trusted


async def test_an_empty_cluster_is_described_too(world: World) -> None:
    """With the reason why no leaf is served, and the next step."""
    report = await describe(MemoryApi(), world.installation, SCHEDULE, START)
    assert (report.leaf, report.authorities, report.entries, report.next_renewal) == (None, (), (), None)
    assert report.trouble == "the Secret is absent"
    assert report.next_step.reason == "registration-absent"


async def test_asking_without_a_secret_is_refused(world: World) -> None:
    """There is nothing to rotate."""
    with pytest.raises(ApiError, match="404"):
        await request_rotation(MemoryApi(), world.installation, "graceful")
