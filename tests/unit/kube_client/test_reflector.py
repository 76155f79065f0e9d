"""List and watch against the fake API server: what is followed, what goes wrong, and how politely it is tried again."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support.cluster_world import CLASSES, CLASSES_ONLY, NAMESPACES, namespace, runtime_class, until, watching
from support.fake_api import FakeApi

from webhook.kube_client import reflector, session
from webhook.kube_client.resource import Resource
from webhook.view.projections import KINDS, Kind
from webhook.view.watched_resources import resources

POLICIES = "/apis/nvidia.com/v1/clusterpolicies"
PAGED = (Resource(KINDS["node.k8s.io", "RuntimeClass"], page_size=2),)
OPTIONAL = (*CLASSES_ONLY, Resource(Kind("namespaces", POLICIES, KINDS["", "Namespace"].project), optional=True))


@pytest.fixture
async def fake() -> AsyncIterator[FakeApi]:
    """Serve one RuntimeClass."""
    async with FakeApi() as api:
        api.put(runtime_class())
        yield api


async def test_the_view_is_listed_and_then_followed(fake: FakeApi, tmp_path: Path) -> None:
    """Objects that are added, changed and deleted reach the view by the watch, without another list."""
    async with watching(fake, tmp_path) as world:
        await world.live.synced.wait()
        assert world.handlers() == {"nvidia": "nvidia"}
        await fake.watching(CLASSES)
        fake.put(runtime_class("kata", "kata"))
        await until(lambda: world.handlers() == {"nvidia": "nvidia", "kata": "kata"})
        fake.put(runtime_class("nvidia", "nvidia-cdi"))
        await until(lambda: world.handlers() == {"nvidia": "nvidia-cdi", "kata": "kata"})
        fake.delete(f"{CLASSES}/kata")
        await until(lambda: world.handlers() == {"nvidia": "nvidia-cdi"})
    assert fake.count(path=CLASSES, watch=False) == 1


async def test_a_view_in_hand_stays_as_it_was(fake: FakeApi, tmp_path: Path) -> None:
    """The view is swapped whole; a decision under way sees one state."""
    async with watching(fake, tmp_path) as world:
        await world.live.synced.wait()
        held = world.live.view
        fake.put(runtime_class("kata", "kata"))
        await until(lambda: world.live.view is not held)
    assert list(held.runtime_classes or ()) == ["nvidia"]


async def test_a_change_that_the_view_does_not_keep_swaps_nothing(fake: FakeApi, tmp_path: Path) -> None:
    """A label on a RuntimeClass is an event without news."""
    async with watching(fake, tmp_path) as world:
        await world.live.synced.wait()
        held = world.live.view
        world.time.now += 30
        fake.put(runtime_class(touched="yes"))
        await until(lambda: world.live.age_seconds("runtime_classes") == 0)
        assert world.live.view is held


async def test_a_list_is_read_in_pages(fake: FakeApi, tmp_path: Path) -> None:
    """Each page asks for the next by its continue token."""
    for number in range(4):
        fake.put(runtime_class(f"class-{number}"))
    async with watching(fake, tmp_path, PAGED) as world:
        await world.live.synced.wait()
        assert len(world.handlers() or ()) == 5
    assert [request.query["limit"] for request in fake.requests if not request.watch] == ["2", "2", "2"]


async def test_pages_that_expire_begin_the_list_anew(fake: FakeApi, tmp_path: Path) -> None:
    """410 on a continue token: what the first pages showed is not used."""
    for number in range(4):
        fake.put(runtime_class(f"class-{number}"))
    first = fake.fault(CLASSES, hold=True, times=1)
    async with watching(fake, tmp_path, PAGED) as world:
        await first.struck()
        fake.store.compact()
        fake.delete(f"{CLASSES}/class-0")
        first.release()
        await world.live.synced.wait()
        assert sorted(world.handlers() or ()) == ["class-1", "class-2", "class-3", "nvidia"]
    assert world.told[0] == ("watch-lost", {"kind": "runtime_classes", "reason": "list: 410 Expired"})


async def test_pages_that_do_not_end_are_given_up(fake: FakeApi, tmp_path: Path) -> None:
    """A server that gives the same token for ever is asked no third time in a row."""
    page = {"kind": "RuntimeClassList", "metadata": {"resourceVersion": "5", "continue": "x"}, "items": []}
    fake.fault(CLASSES, status=200, body=page)
    async with watching(fake, tmp_path, CLASSES_ONLY) as world:
        await until(lambda: world.told)
    assert world.told == [("watch-lost", {"kind": "runtime_classes", "reason": "list: its pages do not end"})]


async def test_a_watch_that_ends_in_good_order_goes_on_where_it_was(fake: FakeApi, tmp_path: Path) -> None:
    """The API server ends every watch after a while; a bookmark saves the list."""
    async with watching(fake, tmp_path, CLASSES_ONLY) as world:
        await fake.watching(CLASSES)
        fake.put(namespace("elsewhere"))
        fake.bookmark(CLASSES)
        fake.end_watches(CLASSES)
        *_, last = await fake.requested(2, path=CLASSES, watch=True)
    assert last.query["resourceVersion"] == str(fake.store.revision)
    assert fake.count(path=CLASSES, watch=False) == 1
    assert world.events() == ["watch-found"]


async def test_a_watch_asks_for_bookmarks_and_for_an_end(fake: FakeApi, tmp_path: Path) -> None:
    """Bookmarks show that the connection lives; an end spreads the watches over the API servers."""
    async with watching(fake, tmp_path, CLASSES_ONLY):
        (asked,) = await fake.requested(1, path=CLASSES, watch=True)
    query = asked.query
    assert (query["allowWatchBookmarks"], query["timeoutSeconds"]) == ("true", "300")


async def test_a_connection_that_breaks_is_taken_up_without_a_list(fake: FakeApi, tmp_path: Path) -> None:
    """What happened meanwhile is replayed from the last revision."""
    async with watching(fake, tmp_path, CLASSES_ONLY) as world:
        await fake.watching(CLASSES)
        fake.cut_watches(CLASSES)
        fake.put(runtime_class("kata", "kata"))
        await until(lambda: len(world.handlers() or ()) == 2)
    assert fake.count(path=CLASSES, watch=False) == 1
    assert world.events() == ["watch-found", "watch-lost", "watch-found"]


@pytest.mark.parametrize(("code", "reason"), [(410, "Expired"), (500, "InternalError"), (403, "Forbidden")])
async def test_an_error_event_lists_again(fake: FakeApi, tmp_path: Path, code: int, reason: str) -> None:
    """After an ERROR of any kind the watch's place is lost."""
    async with watching(fake, tmp_path, CLASSES_ONLY) as world:
        await fake.watching(CLASSES)
        fake.error(CLASSES, code, reason)
        await fake.requested(2, path=CLASSES, watch=True)
    assert fake.count(path=CLASSES, watch=False) == 2
    assert world.told[-1] == ("watch-lost", {"kind": "runtime_classes", "reason": f"watch: {code} {reason}"})


async def test_a_revision_that_is_too_old_lists_again(fake: FakeApi, tmp_path: Path) -> None:
    """410 to the watch request itself; the old view serves until the list is there, then what was deleted is gone."""
    async with watching(fake, tmp_path, CLASSES_ONLY) as world:
        await fake.watching(CLASSES)
        relist = fake.fault(CLASSES, watch=False, hold=True)
        fake.store.on_change = None
        fake.put(runtime_class("kata", "kata"))
        fake.delete(f"{CLASSES}/nvidia")
        fake.store.compact()
        fake.cut_watches(CLASSES)
        await relist.struck()
        assert world.handlers() == {"nvidia": "nvidia"}
        relist.clear()
        await until(lambda: world.handlers() == {"kata": "kata"})


FAULTS: dict[str, dict[str, Any]] = {
    "the server is gone": {"close": True},
    "RBAC lost": {"status": 403},
    "unauthorized": {"status": 401},
    "not found": {"status": 404},
    "expired": {"status": 410},
    "too many requests": {"status": 429},
    "server error": {"status": 500},
    "a redirect": {"status": 302},
    "empty 200": {"status": 200, "body": b""},
    "a body that is no JSON": {"status": 200, "body": b"<html>sign in</html>\n"},
    "JSON that is no object": {"status": 200, "body": b"[1, 2]\n"},
    "JSON of another kind": {"status": 200, "body": {"kind": "Status", "metadata": {}}},
    "items that are none": {"status": 200, "body": {"kind": "RuntimeClassList", "metadata": {"resourceVersion": "9"}}},
    "half a body": {"status": 200, "body": b'{"kind": "RuntimeClassList", "items": [', "close": True},
    "half an event": {"status": 200, "body": b'{"type": "ADDED", "object": {"meta', "close": True},
    "events of no object": {"status": 200, "body": b'{"type": "ADDED"}\n'},
    "events of no revision": {"status": 200, "body": {"type": "ADDED", "object": {"metadata": {"name": "x"}}}},
    "events of an unknown type": {"status": 200, "body": {"type": "WINK", "object": {}}},
}


@pytest.mark.parametrize("watch_only", [True, False], ids=["watches", "lists and watches"])
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_a_fault_leaves_the_view_in_service_and_is_retried_politely(
    fake: FakeApi, tmp_path: Path, fault: dict[str, Any], *, watch_only: bool
) -> None:
    """At most two requests a second for a kind at first, two in 15 s at last, and healed once the fault ends."""
    async with watching(fake, tmp_path, CLASSES_ONLY) as world:
        await fake.watching(CLASSES)
        start, asked = world.time.now, len(fake.requests)
        wrong = fake.fault(CLASSES, watch=True if watch_only else None, **fault)
        fake.cut_watches()
        fake.error(CLASSES, 410, "Expired")
        await until(lambda: len(world.time.pauses) == 8)
        assert world.handlers() == {"nvidia": "nvidia"}
        assert len(fake.requests) - asked <= 2 * (world.time.now - start)
        assert world.time.pauses == [1, 2, 4, 8, 15, 15, 15, 15]
        wrong.clear()
        fake.put(runtime_class("kata", "kata"))
        await fake.watching(CLASSES)
        fake.bookmark(CLASSES)
        await until(lambda: world.events()[-1] == "watch-found")
        assert world.handlers() == {"nvidia": "nvidia", "kata": "kata"}


@pytest.mark.parametrize("fault", [{"status": 403}, {"watch": True, "status": 200, "body": b""}], ids=["RBAC", "empty"])
async def test_all_watches_together_are_polite(fake: FakeApi, tmp_path: Path, fault: dict[str, Any]) -> None:
    """With every kind in trouble at once, no second sees more than four requests."""
    rows = tuple(resources(["kube-system", "gpu-operator"]))
    fake.fault("/*", **fault)
    seen: dict[float, int] = {}

    def a_minute_is_over() -> bool:
        seen[world.time.now] = len(fake.requests)
        return world.time.now >= 1060

    async with watching(fake, tmp_path, rows) as world:
        world.time.loops = len(rows)
        await until(a_minute_is_over)
    begun = [(moment, count) for moment, count in seen.items() if moment > 1000]
    for moment, _ in begun:
        second = [count for at, count in begun if moment <= at < moment + 1]
        assert second[-1] - max((count for at, count in seen.items() if at < moment), default=0) <= 4
    assert len(begun) > len(rows)


async def test_a_server_that_goes_and_comes_back_is_found_again(tmp_path: Path) -> None:
    """No server answers for a while; then another one does, with other objects and lower revisions."""
    async with FakeApi() as old:
        old.store.revision = 5000
        old.put(runtime_class())
        async with watching(old, tmp_path, CLASSES_ONLY) as world:
            await old.watching(CLASSES)
            await old.__aexit__(None, None, None)
            await until(lambda: len(world.time.pauses) == 5)
            assert world.handlers() == {"nvidia": "nvidia"}
            async with FakeApi(port=int(old.url.rpartition(":")[2])) as new:
                new.put(runtime_class("kata", "kata"))
                new.store.compact()
                new.fault(CLASSES, watch=True, status=410, times=1)
                await until(lambda: world.handlers() == {"kata": "kata"})


async def test_a_fault_is_told_once(fake: FakeApi, tmp_path: Path) -> None:
    """A log that repeats itself hides what matters."""
    fake.fault(CLASSES, status=403, body={"kind": "Status", "reason": "Forbidden"})
    async with watching(fake, tmp_path, CLASSES_ONLY) as world:
        await fake.requested(5, path=CLASSES)
    assert world.told == [("watch-lost", {"kind": "runtime_classes", "reason": "list: 403 Forbidden"})]


async def test_long_health_forgets_old_failures(fake: FakeApi, tmp_path: Path) -> None:
    """After a minute of a good watch, its loss is met with the shortest pause again."""
    wrong = fake.fault(CLASSES, status=500, times=4)
    async with watching(fake, tmp_path, CLASSES_ONLY) as world:
        await fake.watching(CLASSES)
        assert (wrong.hits, world.time.pauses) == (4, [1, 2, 4, 8])
        world.time.now += 61
        fake.cut_watches()
        await fake.requested(2, path=CLASSES, watch=True)
        assert world.time.pauses[4:] == [1]


async def test_a_silent_watch_is_left_and_listed_again(
    fake: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half-open or only quiet, a list shows the present; a quiet kind is no trouble to tell."""
    monkeypatch.setattr(reflector, "SILENCE_SECONDS", 0.05)
    dead = fake.fault(CLASSES, watch=True, silent=True, times=1)
    async with watching(fake, tmp_path, CLASSES_ONLY) as world:
        await dead.struck()
        fake.put(runtime_class("kata", "kata"))
        await until(lambda: len(world.handlers() or ()) == 2)
    assert fake.count(path=CLASSES, watch=False) >= 2
    assert world.events() == ["watch-found"]


async def test_a_server_that_hangs_is_told(fake: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The watch goes silent, and the list after it gets no answer."""
    monkeypatch.setattr(reflector, "SILENCE_SECONDS", 0.05)
    monkeypatch.setattr(reflector, "LIST_SECONDS", 0.05)
    async with watching(fake, tmp_path, CLASSES_ONLY) as world:
        await fake.watching(CLASSES)
        fake.fault(CLASSES, hold=True)
        await until(lambda: len(world.told) == 2)
        assert world.handlers() == {"nvidia": "nvidia"}
    assert world.told[1] == ("watch-lost", {"kind": "runtime_classes", "reason": "list: no answer in time"})


async def test_a_watch_that_is_not_taken_up_is_told(
    fake: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server without headers is no quiet watch."""
    monkeypatch.setattr(session, "HEADERS_SECONDS", 0.05)
    fake.fault(CLASSES, watch=True, hold=True)
    async with watching(fake, tmp_path, CLASSES_ONLY) as world:
        await until(lambda: len(world.told) == 2)
    reason = "watch: no answer (the API server sent no headers in time)"
    assert world.told[1] == ("watch-lost", {"kind": "runtime_classes", "reason": reason})


async def test_a_list_that_hangs_is_given_up(fake: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that takes a request and says nothing does not hold the loop for ever."""
    monkeypatch.setattr(reflector, "LIST_SECONDS", 0.05)
    hanging = fake.fault(CLASSES, watch=False, hold=True, times=1)
    async with watching(fake, tmp_path, CLASSES_ONLY) as world:
        await hanging.struck()
        await world.live.synced.wait()
    assert world.events() == ["watch-lost", "watch-found"]


async def test_an_event_may_be_larger_than_any_buffer(fake: FakeApi, tmp_path: Path) -> None:
    """A Node with many images is a line of several hundred KiB."""
    async with watching(fake, tmp_path, CLASSES_ONLY) as world:
        await fake.watching(CLASSES)
        fake.put(runtime_class("kata", "kata", filler="x" * 2**20))
        await until(lambda: len(world.handlers() or ()) == 2)
    assert world.events() == ["watch-found"]


async def test_a_line_without_end_is_left(fake: FakeApi, tmp_path: Path) -> None:
    """What never ends must not eat the memory."""
    async with watching(fake, tmp_path, CLASSES_ONLY) as world:
        await fake.watching(CLASSES)
        for _ in range(9):
            fake.send(CLASSES, b"x" * 2**20)
        await until(lambda: "watch-lost" in world.events())
    assert world.told[-1][1]["reason"] == "watch: no answer (a line without end)"


async def test_an_absent_optional_api_has_no_objects_and_is_noticed_later(fake: FakeApi, tmp_path: Path) -> None:
    """404 gates nothing, is looked at again twice a minute, and the API may come and go."""
    absent = fake.fault(POLICIES, status=404, body=b"404 page not found\n")
    async with watching(fake, tmp_path, OPTIONAL) as world:
        await world.live.synced.wait()
        await fake.requested(3, path=POLICIES)
        assert world.live.view.namespaces == {}
        assert set(world.time.pauses) == {30}
        fake.put({"apiVersion": "nvidia.com/v1", "kind": "ClusterPolicy", "metadata": {"name": "cluster-policy"}})
        absent.clear()
        await until(lambda: world.live.view.namespaces)
        fake.fault(POLICIES, status=404)
        fake.end_watches(POLICIES)
        await until(lambda: not world.live.view.namespaces)
    told = [event for event, facts in world.told if facts["kind"] == "namespaces"]
    assert (told[0], told[-1]) == ("api-absent", "api-absent")
    assert "watch-found" in told


async def test_an_optional_kind_that_is_refused_stays_unknown_and_gates_nothing(fake: FakeApi, tmp_path: Path) -> None:
    """403 is no proof of absence."""
    fake.fault(POLICIES, status=403)
    async with watching(fake, tmp_path, OPTIONAL) as world:
        await world.live.synced.wait()
        await fake.requested(2, path=POLICIES)
        assert world.live.view.namespaces is None


async def test_a_kind_that_is_not_optional_gates_readiness(fake: FakeApi, tmp_path: Path) -> None:
    """Namespaces that cannot be listed are unknown, and the view is not synced."""
    refused = fake.fault(NAMESPACES, status=403)
    async with watching(fake, tmp_path) as world:
        await fake.watching(CLASSES)
        await fake.requested(3, path=NAMESPACES)
        assert (world.live.synced.is_set(), world.live.view.namespaces) == (False, None)
        refused.clear()
        await world.live.synced.wait()
        assert world.live.view.namespaces == {}


async def test_a_token_that_changes_is_followed(fake: FakeApi, tmp_path: Path) -> None:
    """The file has the new one by the time the API server refuses the old one."""
    token = tmp_path / "token"
    token.write_text("old")
    fake.require_token("old")
    async with watching(fake, tmp_path, CLASSES_ONLY, tokenFile=str(token)) as world:
        await fake.watching(CLASSES)
        token.write_text("new")
        fake.require_token("new")
        fake.end_watches()
        fake.put(runtime_class("kata", "kata"))
        await until(lambda: len(world.handlers() or ()) == 2)
    assert world.live.view.runtime_classes


async def test_stopping_leaves_nothing_behind(fake: FakeApi, tmp_path: Path) -> None:
    """Cancelled, the live view closes its watches and ends its tasks."""
    before = asyncio.all_tasks()
    async with watching(fake, tmp_path) as world:
        await fake.watching(CLASSES)
        await fake.watching(NAMESPACES)
    await fake.watching(CLASSES, 0)
    await fake.watching(NAMESPACES, 0)
    left = {task for task in asyncio.all_tasks() - before if "webhook" in str(task.get_coro())}
    assert (left, world.live.synced.is_set()) == (set(), True)
