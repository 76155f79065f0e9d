"""The client: what is sent, and which error an answer becomes."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support.cluster_world import CLASSES, runtime_class, session
from support.fake_api import FakeApi

from webhook.kube_client.api_error import ApiError, UnauthorizedError
from webhook.kube_client.client import KubeClient

NVIDIA = f"{CLASSES}/nvidia"
VERBS: dict[str, Any] = {
    "get": lambda client: client.get(NVIDIA),
    "find": lambda client: client.find(NVIDIA),
    "text": lambda client: client.text(NVIDIA),
    "create": lambda client: client.create(CLASSES, runtime_class()),
    "try_create": lambda client: client.try_create(CLASSES, runtime_class(), timeout_seconds=5),
    "replace": lambda client: client.replace(NVIDIA, runtime_class()),
    "patch": lambda client: client.patch(NVIDIA, {"handler": "x"}),
    "delete": lambda client: client.delete(NVIDIA),
    "watch": lambda client: anext(client.watch(f"{CLASSES}?watch=1", read_timeout_seconds=5)),
}


@pytest.fixture
async def fake() -> AsyncIterator[FakeApi]:
    """Serve one RuntimeClass."""
    async with FakeApi() as api:
        api.put(runtime_class())
        yield api


@pytest.fixture
async def client(fake: FakeApi, tmp_path: Path) -> AsyncIterator[KubeClient]:
    """Open a client."""
    async with session(fake, tmp_path) as opened:
        yield opened


@pytest.mark.parametrize("verb", VERBS)
async def test_every_verb_raises_the_same_error(fake: FakeApi, client: KubeClient, verb: str) -> None:
    """The API server's sentence is for people; a log gets only the stable word."""
    fake.fault("/*", status=403, body={"kind": "Status", "reason": "Forbidden", "message": "PRIVATE"})
    with pytest.raises(ApiError) as refused:
        await VERBS[verb](client)
    error = refused.value
    assert (error.status, error.reason, error.is_forbidden, error.for_people) == (403, "Forbidden", True, "PRIVATE")
    assert error.with_request.endswith(": 403 Forbidden")
    assert "PRIVATE" not in f"{error}{error!r}{error.with_request}"


@pytest.mark.parametrize("verb", VERBS)
async def test_a_failed_login_is_no_answer_that_could_be_handled(fake: FakeApi, client: KubeClient, verb: str) -> None:
    """Code that handles ApiError as "this kind cannot be read" must not handle it."""
    fake.require_token("another")
    with pytest.raises(UnauthorizedError, match=r"^You must be logged in to the server \(Unauthorized\)$") as failed:
        await VERBS[verb](client)
    assert not isinstance(failed.value, ApiError)


@pytest.mark.parametrize("verb", sorted(VERBS.keys() - {"text", "watch"}))
@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b'"text"', b"\xff\xfe"])
async def test_a_foreign_body_is_an_error(fake: FakeApi, client: KubeClient, verb: str, body: bytes) -> None:
    """A captive portal's page must not pass for an object without fields."""
    fake.fault("/*", status=200, body=body)
    with pytest.raises(ApiError, match="200 the answer is no JSON object"):
        await VERBS[verb](client)


async def test_absence_is_an_answer_for_find_alone(client: KubeClient) -> None:
    """Where an object must exist, its absence is an error."""
    assert await client.find(f"{CLASSES}/absent") is None
    with pytest.raises(ApiError) as absent:
        await client.get(f"{CLASSES}/absent")
    assert absent.value.is_absent


async def test_a_patch_is_sent_as_its_form_demands(client: KubeClient) -> None:
    """A list is a JSON Patch, a mapping a merge patch; a failed test is an error of its own."""
    assert (await client.patch(NVIDIA, {"handler": "x"}))["handler"] == "x"
    assert (await client.patch(NVIDIA, [{"op": "replace", "path": "/handler", "value": "y"}]))["handler"] == "y"
    with pytest.raises(ApiError) as refused:
        await client.patch(NVIDIA, [{"op": "test", "path": "/handler", "value": "x"}])
    assert (refused.value.is_invalid, refused.value.lost_race) == (True, True)


async def test_nothing_is_stored_by_a_trial(client: KubeClient) -> None:
    """It returns the object as it would be created."""
    found, warnings = await client.try_create(CLASSES, runtime_class("new"), timeout_seconds=5)
    assert (found["metadata"]["name"], warnings) == ("new", ())
    assert await client.find(f"{CLASSES}/new") is None


async def test_a_failure_within_a_watch_is_an_error(fake: FakeApi, client: KubeClient) -> None:
    """A 410 comes as an event, with HTTP 200."""
    events = client.watch(f"{CLASSES}?watch=1&resourceVersion=999", read_timeout_seconds=5)
    fake.fault(CLASSES, status=200, body=b'{"type": "ERROR", "object": {"code": 410, "reason": "Expired"}}\n')
    with pytest.raises(ApiError, match="410 Expired") as expired:
        await anext(events)
    assert expired.value.is_expired
