"""The view of one moment: paged, and what may not be looked at is unknown, never empty."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support.cluster_world import CLASSES, NAMESPACES, call, namespace, runtime_class, session
from support.fake_api import FakeApi

from webhook.kube_client.api_error import ApiError
from webhook.kube_client.paging import objects, pages
from webhook.view.snapshot import snapshot
from webhook.view.watched_resources import GROUPS_PATH, resources

PODS = "/api/v1/pods"
PLUGIN_PODS = "/api/v1/namespaces/kube-system/pods"


@pytest.fixture
async def fake() -> AsyncIterator[FakeApi]:
    """Serve a class, two namespaces and the API groups; the optional kinds are not served."""
    async with FakeApi() as api:
        api.put(runtime_class(), namespace("ml", team="a"), namespace("web"))
        api.fault(GROUPS_PATH, status=200, body={"kind": "APIGroupList", "groups": [{"name": "kyverno.io"}]})
        for path in ("/apis/nvidia.com/v1/clusterpolicies", "/apis/resource.k8s.io/v1/deviceclasses"):
            api.fault(path, status=404)
        yield api


def plugin_pod(name: str, key: str, value: str, container: str = "nvidia-device-plugin-ctr") -> dict[str, Any]:
    """Return a pod of the device plugin."""
    metadata = {"name": name, "namespace": "kube-system", "labels": {key: value}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [{"name": container}]}}


async def test_the_view_of_one_moment(fake: FakeApi, tmp_path: Path) -> None:
    """As the webhook's own: an API that is not served has no objects."""
    fake.put(plugin_pod("a", "name", "nvidia-device-plugin-ds"))
    fake.put(plugin_pod("b", "app.kubernetes.io/name", "nvidia-device-plugin"))
    async with session(fake, tmp_path) as api:
        found = await snapshot(api, resources(["kube-system"]))
    assert found.unknown == {}
    assert dict(found.view.namespaces or {}) == {"ml": {"team": "a"}, "web": {}}
    assert set(found.view.plugin_pods or ()) == {"kube-system/a", "kube-system/b"}
    assert (found.view.nodes, found.view.cluster_policies, found.view.device_classes) == ({}, {}, {})
    assert found.view.api_groups == frozenset({"kyverno.io"})


@pytest.mark.parametrize(
    ("path", "field"),
    [
        (CLASSES, "runtime_classes"),
        ("/api/v1/nodes", "nodes"),
        (PLUGIN_PODS, "plugin_pods"),
        ("/apis/resource.k8s.io/v1/deviceclasses", "device_classes"),
        (GROUPS_PATH, "api_groups"),
    ],
)
async def test_what_is_forbidden_is_unknown(fake: FakeApi, tmp_path: Path, path: str, field: str) -> None:
    """Never "there are none": a decision would be made of it."""
    fake.fault(path, status=403, body={"kind": "Status", "reason": "Forbidden"})
    async with session(fake, tmp_path) as api:
        found = await snapshot(api, resources(["kube-system"]))
    assert found.unknown == {field: "403 Forbidden"}
    assert getattr(found.view, field) is None


async def test_one_refused_row_makes_its_kind_unknown(fake: FakeApi, tmp_path: Path) -> None:
    """Plugin pods are asked for namespace by namespace; half of them are not all of them."""
    fake.fault("/api/v1/namespaces/gpu/pods", status=403)
    async with session(fake, tmp_path) as api:
        found = await snapshot(api, resources(["kube-system", "gpu"]))
    assert (found.view.plugin_pods, set(found.unknown)) == (None, {"plugin_pods"})


async def test_who_may_not_list_may_still_get(fake: FakeApi, tmp_path: Path) -> None:
    """A namespace's viewer sees that namespace; a class that is absent is absent."""
    fake.fault(NAMESPACES, status=403)
    fake.fault(CLASSES, status=403)
    async with session(fake, tmp_path) as api:
        found = await snapshot(api, resources(["kube-system"]), {"namespaces": ["ml"], "runtime_classes": ["none"]})
    assert found.unknown == {}
    assert (dict(found.view.namespaces or {}), found.view.runtime_classes) == ({"ml": {"team": "a"}}, {})


async def test_a_list_comes_in_pages_and_its_items_know_their_kind(fake: FakeApi, tmp_path: Path) -> None:
    """The API server leaves apiVersion and kind out of a list's items."""
    fake.put(*(plugin_pod(f"pod-{number}", "team", "a") for number in range(5)))
    async with session(fake, tmp_path) as api:
        found = [(len(page.items), page.remaining) async for page in pages(api, PODS, page_size=2)]
        (pod,) = await objects(api, PODS, {"fieldSelector": "metadata.name=pod-3"})
    assert found == [(2, 3), (2, 1), (1, None)]
    assert (pod["apiVersion"], pod["kind"], pod["metadata"]["name"]) == ("v1", "Pod", "pod-3")


async def test_an_expired_list_goes_on_where_the_answer_says_how(fake: FakeApi, tmp_path: Path) -> None:
    """The API server gives a token for the rest, of a newer state; without one the list has failed."""
    fake.put(*(plugin_pod(f"pod-{number}", "team", "a") for number in range(3)))
    async with session(fake, tmp_path) as api:
        _, newer = await call(api, "GET", f"{PODS}?limit=2")
        listing = pages(api, PODS, page_size=2)
        assert len((await anext(listing)).items) == 2
        token = newer["metadata"]["continue"]
        fake.fault(PODS, status=410, times=1, body={"kind": "Status", "metadata": {"continue": token}})
        assert [len(page.items) async for page in listing] == [1]
        fake.fault(PODS, status=410, body={"kind": "Status", "reason": "Expired"})
        with pytest.raises(ApiError, match="410 Expired"):
            await objects(api, PODS)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"<html>", "200 the answer is no JSON object"),
        ({"kind": "Status"}, "200 the answer is no list"),
        ({"kind": "PodList", "metadata": {"continue": "x"}}, "200 the answer is no list"),
    ],
)
async def test_what_is_no_list_is_refused(fake: FakeApi, tmp_path: Path, body: object, why: str) -> None:
    """A foreign body must not pass for a cluster without objects, and pages must end."""
    fake.fault(PODS, status=200, body=body)
    async with session(fake, tmp_path) as api:
        with pytest.raises(ApiError, match=why):
            await objects(api, PODS)


async def test_one_object_is_there_or_absent_or_refused(fake: FakeApi, tmp_path: Path) -> None:
    """Absence is an answer; a refusal is none."""
    fake.fault(f"{NAMESPACES}/secret", status=403)
    async with session(fake, tmp_path) as api:
        assert (await api.find(f"{NAMESPACES}/ml") or {})["metadata"]["labels"] == {"team": "a"}
        assert await api.find(f"{NAMESPACES}/absent") is None
        with pytest.raises(ApiError) as refused:
            await api.find(f"{NAMESPACES}/secret")
    assert refused.value.status == 403


async def test_silence_is_an_error_of_the_system(fake: FakeApi, tmp_path: Path) -> None:
    """Without any answer nothing is known, and the command must say so."""
    fake.fault("/api*", close=True)
    async with session(fake, tmp_path) as api:
        with pytest.raises(OSError, match="Disconnected"):
            await snapshot(api, resources(["kube-system"]))
