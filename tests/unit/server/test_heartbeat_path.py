"""The entry of the heartbeat: it marks one ConfigMap, and lets everything else pass as it is."""

import base64
import json
import socket
from typing import Any

import jsonpatch
import pytest
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import given
from hypothesis import strategies as st
from support.served import counted, review, webhook

from webhook.names import HEARTBEAT_KEY, HEARTBEAT_NAME, HEARTBEAT_PATH, HEARTBEAT_VALUE
from webhook.registration.heartbeat_object import heartbeat_object, mark, marked_by

CONFIG_MAPS = {"group": "", "version": "v1", "resource": "configmaps"}
SENT = heartbeat_object("gpu-injector")
NAMED: dict[str, Any] = {"name": HEARTBEAT_NAME, "labels": {HEARTBEAT_KEY: HEARTBEAT_VALUE}}


async def answered(item: dict[str, Any], **request: object) -> tuple[dict[str, Any], int]:
    """Return the response to a review of an object, and how many heartbeats were counted."""
    hook = webhook()
    body = review(item, "gpu-injector", resource=CONFIG_MAPS, dryRun=True) | {}
    body["request"] |= request
    async with TestClient(TestServer(hook.application())) as client:
        answer = await (await client.post(HEARTBEAT_PATH, json=body)).json()
    assert counted(hook, "200", HEARTBEAT_PATH) == 1
    assert answer["response"]["allowed"] is True
    return answer["response"], hook.heartbeat.calls


@pytest.mark.parametrize(
    "metadata",
    [
        SENT["metadata"],
        {**NAMED, "annotations": None},
        {**NAMED, "annotations": {}},
        {**NAMED, "annotations": {"a/b": "c"}},
    ],
    ids=["as sent", "null", "empty", "another one"],
)
async def test_a_heartbeat_is_marked(metadata: dict[str, Any]) -> None:
    """With the name of the replica. A patch that does not apply would make the request fail."""
    item = {**SENT, "metadata": metadata}
    response, calls = await answered(item)
    patched = jsonpatch.apply_patch(item, json.loads(base64.b64decode(response["patch"])))
    assert (marked_by(patched), response["patchType"], calls) == (socket.gethostname(), "JSONPatch", 1)
    assert (metadata.get("annotations") or {}).items() <= patched["metadata"]["annotations"].items()


@pytest.mark.parametrize(
    ("item", "request_"),
    [
        ({"metadata": {"name": "kube-root-ca.crt"}}, {}),
        ({"metadata": {"name": HEARTBEAT_NAME}}, {}),
        ({"metadata": {"labels": {HEARTBEAT_KEY: HEARTBEAT_VALUE}}}, {}),
        ({}, {}),
        ({"metadata": None}, {}),
        (SENT, {"operation": "UPDATE"}),
        (SENT, {"resource": {"group": "", "version": "v1", "resource": "secrets"}}),
    ],
)
async def test_everything_else_passes_as_it_is(item: dict[str, Any], request_: dict[str, Any]) -> None:
    """An edited registration may send other objects."""
    response, calls = await answered(item, **request_)
    assert ("patch" in response, calls) == (False, 0)


async def test_a_large_body_is_not_read() -> None:
    """A heartbeat is small; the API server creates the object without us (failurePolicy Ignore)."""
    hook = webhook()
    large = {**SENT, "data": {"x": "y" * 70_000}}
    async with TestClient(TestServer(hook.application())) as client:
        response = await client.post(HEARTBEAT_PATH, json=review(large, resource=CONFIG_MAPS))
    assert (response.status, hook.heartbeat.calls) == (413, 0)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(annotations=json_values, more=st.dictionaries(st.text(max_size=5), json_values, max_size=3))
def test_the_mark_applies_to_whatever_was_sent(annotations: Any, more: dict[str, Any]) -> None:  # noqa: ANN401
    """And changes nothing but the annotations."""
    item = {**more, "metadata": {**NAMED, "annotations": annotations}}
    patched = jsonpatch.apply_patch(item, list(mark(item, "replica-a")))
    assert marked_by(patched) == "replica-a"
    unmarked = {**patched, "metadata": {**patched["metadata"], "annotations": annotations}}
    assert unmarked == item
