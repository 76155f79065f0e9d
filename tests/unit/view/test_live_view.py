"""The live view's ages, and the single looks that make one object fresh."""

import asyncio
import math
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.cluster_world import CLASSES, CLASSES_ONLY, NAMESPACES, namespace, runtime_class, session, until, watching
from support.fake_api import FakeApi

from webhook.view.live_view import LiveView
from webhook.view.view import ClusterView

NVIDIA = f"{CLASSES}/nvidia"


@pytest.fixture
async def fake() -> AsyncIterator[FakeApi]:
    """Serve one RuntimeClass."""
    async with FakeApi() as api:
        api.put(runtime_class())
        yield api


async def test_a_view_that_never_synced_is_infinitely_old(fake: FakeApi, tmp_path: Path) -> None:
    """Before the first list every kind is unknown."""
    async with session(fake, tmp_path) as api:
        live = LiveView(api)
        assert live.view == ClusterView()
        assert live.age_seconds("runtime_classes") == live.oldest_age_seconds() == math.inf
        assert live.object_age_seconds("runtime_classes", "nvidia") == math.inf


async def test_age_counts_from_the_last_list_event_or_bookmark(fake: FakeApi, tmp_path: Path) -> None:
    """A quiet but healthy watch is as old as its last bookmark."""
    async with watching(fake, tmp_path) as world:
        await fake.watching(CLASSES)
        await fake.watching(NAMESPACES)
        world.time.now += 40
        assert world.live.age_seconds("runtime_classes") == 40
        fake.bookmark(CLASSES)
        await until(lambda: world.live.age_seconds("runtime_classes") == 0)
        world.time.now += 5
        fake.put(namespace("team"))
        await until(lambda: world.live.age_seconds("namespaces") == 0)
        assert world.live.oldest_age_seconds() == world.live.age_seconds("runtime_classes") == 5


async def test_age_grows_while_the_watch_is_lost(fake: FakeApi, tmp_path: Path) -> None:
    """The view serves on, and says how old it is."""
    async with watching(fake, tmp_path, CLASSES_ONLY) as world:
        await fake.watching(CLASSES)
        fake.fault(CLASSES, status=403)
        fake.error(CLASSES, 403, "Forbidden")
        await until(lambda: len(world.time.pauses) == 5)
        assert world.handlers() == {"nvidia": "nvidia"}
        assert world.live.age_seconds("runtime_classes") == sum(world.time.pauses)


async def test_a_long_list_is_as_old_as_its_beginning(fake: FakeApi, tmp_path: Path) -> None:
    """Every page shows the state at the first."""
    slow = fake.fault(CLASSES, hold=True, times=1)
    async with watching(fake, tmp_path, CLASSES_ONLY) as world:
        await slow.struck()
        world.time.now += 8
        slow.release()
        await world.live.synced.wait()
        assert world.live.age_seconds("runtime_classes") == 8


async def test_the_view_is_prepared_before_it_is_synced_and_after_changes(fake: FakeApi, tmp_path: Path) -> None:
    """What decisions derive from it is there before the first request needs it."""
    prepared: list[ClusterView] = []
    go_on = asyncio.Event()

    async def prepare(view: ClusterView) -> None:
        prepared.append(view)
        await go_on.wait()

    async with session(fake, tmp_path) as api, asyncio.TaskGroup() as group:
        live = LiveView(api, CLASSES_ONLY, prepare=prepare)
        running = group.create_task(live.run())
        await until(lambda: prepared)
        assert (prepared, live.synced.is_set(), live.missing()) == ([live.view], False, [])
        go_on.set()
        await live.synced.wait()
        await fake.watching(CLASSES)
        fake.put(runtime_class("kata", "kata"))
        await until(lambda: len(prepared) == 2)
        assert set(prepared[1].runtime_classes or ()) == {"nvidia", "kata"}
        running.cancel()


async def test_a_look_finds_an_object_that_the_watch_has_not_shown(fake: FakeApi, tmp_path: Path) -> None:
    """A RuntimeClass created seconds ago is not missed while its event is under way."""
    fake.fault(CLASSES, watch=True, silent=True)
    async with watching(fake, tmp_path, CLASSES_ONLY) as world:
        await fake.watching(CLASSES)
        fake.put(runtime_class("kata", "kata"))
        assert await world.live.look("runtime_classes", "kata")
        assert world.handlers() == {"nvidia": "nvidia", "kata": "kata"}


async def test_a_look_forgets_an_object_that_is_gone(fake: FakeApi, tmp_path: Path) -> None:
    """404 is an answer: a deleted class must not be set."""
    fake.fault(CLASSES, watch=True, silent=True)
    async with watching(fake, tmp_path, CLASSES_ONLY) as world:
        await fake.watching(CLASSES)
        fake.delete(NVIDIA)
        assert await world.live.look("runtime_classes", "nvidia")
        assert world.handlers() == {}


async def test_a_look_makes_one_object_fresh(fake: FakeApi, tmp_path: Path) -> None:
    """Present or absent, only the object that was looked at is current; its kind is as old as before."""
    async with watching(fake, tmp_path, CLASSES_ONLY) as world:
        await fake.watching(CLASSES)
        world.time.now += 100
        assert await world.live.look("runtime_classes", "nvidia")
        assert await world.live.look("runtime_classes", "absent")
        world.time.now += 2
        ages = [world.live.object_age_seconds("runtime_classes", name) for name in ("nvidia", "absent", "kata")]
        assert ages == [2, 2, 102]
        assert world.live.age_seconds("runtime_classes") == 102


async def test_looks_at_the_same_object_share_one_request(fake: FakeApi, tmp_path: Path) -> None:
    """A burst of pods asks once, and the first request may be cancelled."""
    async with watching(fake, tmp_path, CLASSES_ONLY) as world:
        await fake.watching(CLASSES)
        held = fake.fault(NVIDIA, hold=True)
        looks = [asyncio.create_task(world.live.look("runtime_classes", "nvidia", 10)) for _ in range(10)]
        await held.struck()
        looks[0].cancel()
        held.clear()
        assert await asyncio.gather(*looks[1:]) == [True] * 9
    assert fake.count(path=NVIDIA) == 1


@pytest.mark.parametrize("change", ["changed", "deleted", "created"])
async def test_an_event_that_arrives_during_a_look_wins(fake: FakeApi, tmp_path: Path, change: str) -> None:
    """The answer was made before the event, and comes after it."""
    if change == "created":
        fake.delete(NVIDIA)
    async with watching(fake, tmp_path, CLASSES_ONLY) as world:
        await fake.watching(CLASSES)
        held = fake.fault(NVIDIA, hold=True)
        look = asyncio.create_task(world.live.look("runtime_classes", "nvidia", 10))
        await held.struck()
        before = world.live.view
        if change == "deleted":
            fake.delete(NVIDIA)
        else:
            fake.put(runtime_class("nvidia", "nvidia-cdi"))
        await until(lambda: world.live.view is not before)
        held.clear()
        assert await look
        assert world.handlers() == ({} if change == "deleted" else {"nvidia": "nvidia-cdi"})


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
async def test_a_look_without_an_answer_says_so(fake: FakeApi, tmp_path: Path, status: int) -> None:
    """Only 200 and 404 tell anything about the object."""
    async with watching(fake, tmp_path, CLASSES_ONLY) as world:
        await fake.watching(CLASSES)
        fake.fault(NVIDIA, status=status)
        world.time.now += 100
        assert not await world.live.look("runtime_classes", "nvidia")
        assert world.live.object_age_seconds("runtime_classes", "nvidia") == 100
        assert world.handlers() == {"nvidia": "nvidia"}


async def test_an_answer_about_something_else_is_none(fake: FakeApi, tmp_path: Path) -> None:
    """A proxy's page with status 200 is no RuntimeClass."""
    async with watching(fake, tmp_path, CLASSES_ONLY) as world:
        await fake.watching(CLASSES)
        fake.fault(NVIDIA, status=200, body=b"<html>")
        assert not await world.live.look("runtime_classes", "nvidia")


async def test_a_look_is_bounded(fake: FakeApi, tmp_path: Path) -> None:
    """A server that hangs costs a review the bound, no more."""
    async with watching(fake, tmp_path, CLASSES_ONLY) as world:
        await fake.watching(CLASSES)
        fake.fault(NVIDIA, hold=True)
        assert not await world.live.look("runtime_classes", "nvidia", 0.05)


async def test_failing_looks_are_polite(fake: FakeApi, tmp_path: Path) -> None:
    """However many pods and names there are, a server that fails is asked once a second."""
    fake.fault(f"{NAMESPACES}/*", status=500)
    async with watching(fake, tmp_path) as world:
        await fake.watching(NAMESPACES)
        for second in range(3):
            for pod in range(50):
                assert not await world.live.look("namespaces", f"team-{second}-{pod}")
            world.time.now += 1
    assert sum(request.path.startswith(f"{NAMESPACES}/") for request in fake.requests) == 3


async def test_a_kind_that_was_never_listed_is_not_looked_at(fake: FakeApi, tmp_path: Path) -> None:
    """One object would make an unknown kind look known."""
    async with session(fake, tmp_path) as api:
        assert not await LiveView(api).look("runtime_classes", "nvidia")
    assert fake.requests == []


async def test_a_name_cannot_lead_a_look_astray(fake: FakeApi, tmp_path: Path) -> None:
    """What a pod's author wrote stays one segment of the path."""
    async with watching(fake, tmp_path, CLASSES_ONLY) as world:
        await fake.watching(CLASSES)
        await world.live.look("runtime_classes", "../../v1/secrets?x=#y")
    assert fake.requests[-1].path == f"{CLASSES}/../../v1/secrets?x=#y"
    assert fake.requests[-1].query == {}


async def test_a_closed_session_answers_no_look(fake: FakeApi, tmp_path: Path) -> None:
    """A review that is finished during shutdown gets False, not an exception."""
    async with watching(fake, tmp_path, CLASSES_ONLY) as world:
        await fake.watching(CLASSES)
    assert not await world.live.look("runtime_classes", "nvidia")
