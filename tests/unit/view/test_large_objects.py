"""Objects that are too large: each is left out of the view, alone and before it is parsed; nothing waits for it."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from support.cluster_world import CLASSES, CLASSES_ONLY, NAMESPACES, namespace, runtime_class, until, watching
from support.fake_api import FakeApi
from support.served import GPU_POD

from webhook.decide.decision import RequestInfo
from webhook.kube.json_size import MOST_VALUES, count_values
from webhook.kube_client import answer, reflector
from webhook.kube_client.large_answers import HEAD_BYTES, event_without_content, head_of_list
from webhook.kube_client.resource import Resource
from webhook.policy.model import Policy
from webhook.server.decide_live import decide_live
from webhook.view.projections import KINDS
from webhook.view.toleration_limits import MAX_LABEL_CHARACTERS

PAGED = (Resource(KINDS["node.k8s.io", "RuntimeClass"], page_size=8),)
NAMES = [f"class-{number}" for number in range(20)]


@pytest.fixture
async def fake() -> AsyncIterator[FakeApi]:
    """Serve one RuntimeClass and one namespace."""
    async with FakeApi() as api:
        api.put(runtime_class(), namespace("ml", **{"gpu-injector.io/inject": "enabled"}))
        yield api


def event(word: str, item: dict[str, Any], more: dict[str, Any] | None = None, revision: int = 900) -> bytes:
    """Return an event as the API server writes it: kind, name, uid and revision first."""
    metadata = {"name": item["metadata"]["name"], "uid": "u", "resourceVersion": str(revision)}
    whole = {"kind": item["kind"], "apiVersion": item["apiVersion"], "metadata": {**metadata, **(more or {})}}
    return (
        orjson.dumps({"type": word, "object": {**whole, **{k: v for k, v in item.items() if k == "handler"}}}) + b"\n"
    )


WIDE = {"finalizers": [""] * (MOST_VALUES + 1)}


@pytest.mark.parametrize("word", ["ADDED", "MODIFIED", "DELETED"])
async def test_an_event_that_is_too_large_removes_its_object_alone(fake: FakeApi, tmp_path: Path, word: str) -> None:
    """What cannot be read is not vouched for: a class that may be gone is not set. The watch goes on."""
    async with watching(fake, tmp_path, CLASSES_ONLY) as world:
        await fake.watching(CLASSES)
        fake.put(runtime_class("kata", "kata"))
        await until(lambda: world.handlers() == {"nvidia": "nvidia", "kata": "kata"})
        fake.send(CLASSES, event(word, runtime_class(), WIDE))
        await until(lambda: world.handlers() == {"kata": "kata"})
        fake.send(CLASSES, event("MODIFIED", runtime_class(), revision=901))
        await until(lambda: world.handlers() == {"kata": "kata", "nvidia": "nvidia"})
        assert ("object-too-large", {"kind": "runtime_classes", "reason": "nvidia"}) in world.told
    assert fake.count(path=CLASSES, watch=False) == 1


async def test_an_event_that_is_too_large_is_not_parsed(
    fake: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its values are counted before."""
    counts: list[int] = []
    monkeypatch.setattr(answer, "orjson", Counting(counts))
    async with watching(fake, tmp_path, CLASSES_ONLY) as world:
        await fake.watching(CLASSES)
        fake.send(CLASSES, event("MODIFIED", runtime_class(), WIDE))
        await until(lambda: world.handlers() == {})
    assert counts
    assert max(counts) < 100


class Counting:
    """``orjson``, which notes how many values it reads."""

    JSONDecodeError = orjson.JSONDecodeError

    def __init__(self, counts: list[int]) -> None:
        self._counts = counts

    def loads(self, body: bytes) -> Any:  # noqa: ANN401 - orjson's
        """Read JSON."""
        self._counts.append(count_values(body))
        return orjson.loads(body)


async def test_a_large_event_of_another_form_lists_again(fake: FakeApi, tmp_path: Path) -> None:
    """Custom resources have their fields in another order: then only a list tells which object it was."""
    async with watching(fake, tmp_path, CLASSES_ONLY) as world:
        await fake.watching(CLASSES)
        fake.send(CLASSES, {"type": "MODIFIED", "object": {"metadata": {"annotations": {}, **WIDE}}})
        await until(lambda: fake.count(path=CLASSES, watch=False) == 2)
        assert world.handlers() == {"nvidia": "nvidia"}


@pytest.mark.parametrize("large", [["class-7"], ["class-0", "class-1", "class-19"], NAMES], ids=len)
async def test_a_page_that_is_too_large_is_asked_for_in_parts(
    fake: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, large: list[str]
) -> None:
    """Until the object that is too large is alone: it is left out, and all others are there."""
    monkeypatch.setattr(reflector, "PAGE_BYTES", 20_000)
    fake.delete(f"{CLASSES}/nvidia")
    for name in NAMES:
        item = runtime_class(name)
        item["metadata"]["annotations"] = {"a": "x" * 30_000} if name in large else {}
        fake.put(item)
    async with watching(fake, tmp_path, PAGED) as world:
        await world.live.synced.wait()
        assert sorted(world.handlers() or ()) == sorted(set(NAMES) - set(large))
        assert fake.count(path=CLASSES, watch=False) < 60
        assert [word for word, _ in world.told].count("object-too-large") == len(large)


async def test_a_list_that_is_too_large_and_of_another_form_is_a_failure(
    fake: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without its revision nothing can be watched; the next list may be smaller."""
    monkeypatch.setattr(reflector, "PAGE_BYTES", 20_000)
    fake.fault(CLASSES, status=200, body=b'{"items":[' + b"1," * 20_000, times=2)
    async with watching(fake, tmp_path, CLASSES_ONLY) as world:
        await world.live.synced.wait()
        assert world.handlers() == {"nvidia": "nvidia"}
        assert world.time.pauses


async def test_a_namespace_with_very_many_labels_is_unknown(fake: FakeApi, tmp_path: Path) -> None:
    """Those who may label a namespace choose how much memory it takes; its pods are left alone, and the others' not."""
    many = {f"label-{number:06}": "x" * 63 for number in range(MAX_LABEL_CHARACTERS // 70)}
    fake.put(namespace("flooded", **{"gpu-injector.io/inject": "enabled"}, **many))
    async with watching(fake, tmp_path) as world:
        await world.live.synced.wait()
        assert list(world.live.view.namespaces or ()) == ["ml"]
        assert await world.live.look("namespaces", "flooded")
        assert fake.count(path=f"{NAMESPACES}/flooded") == 1
        found = await decide_live(GPU_POD, RequestInfo("flooded"), Policy(), world.live)
        assert found.word == "leave/namespace-unknown"


HEAD = b'{"kind":"NodeList","apiVersion":"v1","metadata":{"resourceVersion":"7","continue":"c"},"items":['


@pytest.mark.parametrize(
    ("body", "head"),
    [
        (HEAD + b"{}]}", {"resourceVersion": "7", "continue": "c"}),
        (HEAD + b'{"metadata":{"name":"', {"resourceVersion": "7", "continue": "c"}),
        (b'{"items":[]}', None),
        (b'{"apiVersion":"v1","items":[],"metadata":{}}', None),
        (b'{"kind":"' + b"x" * HEAD_BYTES + b'","metadata":{},"items":[]}', None),
        (b'["items":', None),
        (b"", None),
    ],
)
def test_the_beginning_of_a_list_tells_how_to_go_on(body: bytes, head: dict[str, str] | None) -> None:
    """Built-in kinds have their metadata before their items."""
    found = head_of_list(body)
    assert (found["metadata"] if found else None) == head


POD = (
    '{"type":"ADDED","object":{"kind":"Pod","apiVersion":"v1",'
    '"metadata":{"name":"a","generateName":"a-","namespace":"b",'
)


@pytest.mark.parametrize(
    ("line", "metadata"),
    [
        (POD + '"uid":"u","resourceVersion":"7","labels":{', ("a", "b", "7")),
        (POD.replace('"generateName":"a-",', "") + '"uid":"u","resourceVersion":"7"', ("a", "b", "7")),
        (POD.replace('"namespace":"b",', "") + '"uid":"u","resourceVersion":"7"', ("a", "", "7")),
        (POD + '"labels":{"uid":"u","resourceVersion":"7"}', None),
        (POD.replace('"a"', json.dumps('a"')) + '"uid":"u","resourceVersion":"7"', None),
        (POD.replace('"a"', '"' + "a" * 600 + '"') + '"uid":"u","resourceVersion":"7"', None),
        ('{"object":{},"type":"ADDED"}', None),
        ("", None),
    ],
)
def test_the_beginning_of_an_event_names_its_object(line: str, metadata: tuple[str, str, str] | None) -> None:
    """What does not begin as the API server writes it names nothing."""
    found = event_without_content(line.encode())
    shown = found["object"]["metadata"] if found else {}
    assert (tuple(shown[key] for key in ("name", "namespace", "resourceVersion")) if found else None) == metadata
