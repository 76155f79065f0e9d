"""The fake API server refuses and replays as the real one does; other tests stand on it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support.cluster_world import CLASSES, NAMESPACES, call, namespace, runtime_class, session
from support.fake_api import FakeApi

from webhook.kube_client.client import KubeClient

PODS = "/api/v1/namespaces/team/pods"
JSON_PATCH = "application/json-patch+json"


@pytest.fixture
async def fake() -> AsyncIterator[FakeApi]:
    """Serve two namespaces."""
    async with FakeApi() as api:
        api.put(namespace("team", gpu="yes"), namespace("other"))
        yield api


@pytest.fixture
async def api(fake: FakeApi, tmp_path: Path) -> AsyncIterator[KubeClient]:
    """Open the session to it."""
    async with session(fake, tmp_path) as opened:
        yield opened


def pod(name: str, **metadata: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return a pod of the namespace ``team``."""
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, **metadata}, "spec": {"nodeName": name}}


async def test_a_write_needs_the_current_revision(api: KubeClient) -> None:
    """PUT compares resourceVersion and swaps; without one it does not compare."""
    _, first = await call(api, "GET", f"{NAMESPACES}/team")
    changed = first | {"metadata": first["metadata"] | {"labels": {}}}
    assert (await call(api, "PUT", f"{NAMESPACES}/team", body=changed))[0] == 200
    status, answer = await call(api, "PUT", f"{NAMESPACES}/team", body=changed | {"spec": {}})
    assert (status, answer["reason"]) == (409, "Conflict")
    assert (await call(api, "PUT", f"{NAMESPACES}/team", body=namespace("team")))[0] == 200


async def test_a_write_without_a_change_keeps_the_revision(fake: FakeApi, api: KubeClient) -> None:
    """And only a changed spec raises the generation."""
    fake.put(pod("a", namespace="team"))
    _, before = await call(api, "GET", f"{PODS}/a")
    _, same = await call(api, "PUT", f"{PODS}/a", body=before)
    assert same == before
    _, other = await call(api, "PUT", f"{PODS}/a", body=before | {"spec": {}})
    assert (before["metadata"]["generation"], other["metadata"]["generation"]) == (1, 2)


async def test_a_patch_compares_its_tests_and_the_revision(api: KubeClient) -> None:
    """A test that fails, or a place that is not there, is 422; an old revision in the patch is 409."""
    path = f"{NAMESPACES}/team"
    for patch, status in (
        ([{"op": "test", "path": "/metadata/labels/gpu", "value": "no"}], 422),
        ([{"op": "remove", "path": "/metadata/labels/absent"}], 422),
        ([{"op": "replace", "path": "/metadata/resourceVersion", "value": "1"}], 409),
        ([{"op": "test", "path": "/metadata/labels/gpu", "value": "yes"}], 200),
    ):
        assert (await call(api, "PATCH", path, body=patch, content_type=JSON_PATCH))[0] == status


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", NAMESPACES, namespace("team"), 409),
        ("POST", NAMESPACES, {"metadata": {}}, 422),
        ("POST", f"{NAMESPACES}?dryRun=All", namespace("new"), 201),
        ("PUT", f"{NAMESPACES}/absent", namespace("absent"), 404),
        ("PUT", f"{NAMESPACES}/team", namespace("other"), 400),
        ("DELETE", f"{NAMESPACES}/team", {"preconditions": {"uid": "another"}}, 409),
        ("DELETE", f"{NAMESPACES}/team", None, 200),
        ("GET", "/nothing", None, 404),
    ],
)
async def test_requests_are_refused_as_the_real_one_does(
    api: KubeClient, method: str, path: str, body: object, status: int
) -> None:
    """Status codes that callers tell apart."""
    assert (await call(api, method, path, body=body))[0] == status


async def test_a_dry_run_stores_nothing(api: KubeClient) -> None:
    """The answer shows what would be."""
    await call(api, "POST", f"{NAMESPACES}?dryRun=All", body=namespace("new"))
    assert (await call(api, "GET", f"{NAMESPACES}/new"))[0] == 404


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("labelSelector=gpu", ["team"]),
        ("labelSelector=gpu%3Dyes", ["team"]),
        ("labelSelector=gpu!%3Dyes", ["other"]),
        ("labelSelector=!gpu", ["other"]),
        ("labelSelector=gpu%20in%20(yes,no)", ["team"]),
        ("labelSelector=gpu%20notin%20(yes,no)", ["other"]),
        ("fieldSelector=metadata.name%3Dother", ["other"]),
    ],
)
async def test_selectors_choose(api: KubeClient, query: str, names: list[str]) -> None:
    """Labels by equality and by set, fields by equality."""
    _, found = await call(api, "GET", f"{NAMESPACES}?{query}")
    assert [item["metadata"]["name"] for item in found["items"]] == names


async def test_pages_show_one_moment(fake: FakeApi, api: KubeClient) -> None:
    """What is written between two pages is in neither, and a compaction ends them."""
    _, first = await call(api, "GET", f"{NAMESPACES}?limit=1")
    token = first["metadata"]["continue"]
    fake.put(namespace("zebra"))
    _, second = await call(api, "GET", f"{NAMESPACES}?limit=1&continue={token}")
    assert [item["metadata"]["name"] for item in first["items"] + second["items"]] == ["other", "team"]
    assert second["metadata"] == {"resourceVersion": first["metadata"]["resourceVersion"]}
    _, third = await call(api, "GET", f"{NAMESPACES}?limit=1")
    fake.store.compact()
    assert (await call(api, "GET", f"{NAMESPACES}?limit=1&continue={third['metadata']['continue']}"))[0] == 410


async def test_a_watch_with_a_selector_sees_objects_come_and_go(fake: FakeApi, api: KubeClient) -> None:
    """An object that stops matching is deleted for that watch."""
    path = f"{NAMESPACES}?watch=1&labelSelector=gpu&resourceVersion={fake.store.revision}"
    fake.put(namespace("team"), namespace("other", gpu="no"), namespace("third"))
    seen: list[tuple[str, str]] = []
    async for event in api.watch(path, read_timeout_seconds=5):
        seen.append((event["type"], event["object"]["metadata"]["name"]))
        if len(seen) == 2:
            fake.end_watches()
    assert seen == [("DELETED", "team"), ("ADDED", "other")]


async def test_namespaced_objects_are_listed_together_and_apart(fake: FakeApi, api: KubeClient) -> None:
    """A namespace's name is no pod's."""
    fake.put(pod("a", namespace="team"), pod("b", namespace="other"))
    for path, names in (("/api/v1/pods", ["b", "a"]), (PODS, ["a"]), (f"{NAMESPACES}/none/pods", [])):
        _, found = await call(api, "GET", path)
        assert (found["kind"], [item["metadata"]["name"] for item in found["items"]]) == ("PodList", names)


async def test_a_status_is_written_alone(fake: FakeApi, api: KubeClient) -> None:
    """The subresource leaves spec and labels as they are."""
    fake.put(pod("a", namespace="team", labels={"a": "b"}))
    body = {"metadata": {"name": "a"}, "spec": {"nodeName": "x"}, "status": {"phase": "Running"}}
    _, answer = await call(api, "PUT", f"{PODS}/a/status", body=body)
    assert (answer["spec"], answer["status"]) == ({"nodeName": "a"}, {"phase": "Running"})
    assert answer["metadata"]["labels"] == {"a": "b"}


async def test_a_token_is_required_on_demand(fake: FakeApi, api: KubeClient) -> None:
    """Requests without it are refused."""
    fake.require_token("x")
    assert (await call(api, "GET", NAMESPACES))[0] == 401


async def test_a_fault_may_befall_a_few_requests_only(fake: FakeApi, api: KubeClient) -> None:
    """``times`` counts down, and the newest fault comes first."""
    fake.put(runtime_class())
    fake.fault("/apis/*", status=500)
    fake.fault(CLASSES, status=403, times=2)
    assert [(await call(api, "GET", CLASSES))[0] for _ in range(3)] == [403, 403, 500]
