"""The memory that is reserved for a body is given back, however its request ends."""

import asyncio
import json
from contextlib import suppress
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from support.served import GPU_POD, review

from webhook.kube.json_size import MOST_VALUES
from webhook.names import BOOTSTRAP_PATH, EPHEMERAL_PATH, HEARTBEAT_PATH, TEMPLATES_PATH, WORKLOADS_PATH
from webhook.server.app import Webhook
from webhook.server.request_body import PARSED_BYTES, Bodies, Body, Room

PATHS = (WORKLOADS_PATH, BOOTSTRAP_PATH, EPHEMERAL_PATH, TEMPLATES_PATH, HEARTBEAT_PATH, "/mutate/later", "/warn/later")
BODIES = {
    "review": (json.dumps(review(GPU_POD)).encode(), {200}),
    "no JSON": (b"{", {400}),
    "no review": (b"{}", {400}),
    "too wide": (b"[" + b"[]," * MOST_VALUES, {413}),
    "too deep": (
        json.dumps(review({"spec": 0})).replace('"spec": 0', '"spec": ' + "[" * 900 + "]" * 900).encode(),
        {200},
    ),
}


async def is_empty(room: Room) -> bool:
    """Say whether all of a room is free."""
    with suppress(TimeoutError):
        async with asyncio.timeout(1):
            await room.take(PARSED_BYTES)
            return True
    return False


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("body", "statuses"), BODIES.values(), ids=BODIES)
async def test_each_answer_gives_the_memory_back(
    hook: Webhook, client: TestClient[Any, Any], path: str, body: bytes, statuses: set[int]
) -> None:
    """Also the answer to what is no review."""
    room = Room()
    hook.bodies = Bodies(room=room)
    response = await client.post(path, data=body)
    # A heartbeat may be smaller.
    assert response.status in {*statuses, *([413] if path == HEARTBEAT_PATH else [])}
    assert await is_empty(room)


async def test_a_fault_of_ours_gives_the_memory_back(
    hook: Webhook, client: TestClient[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is answered with 500."""
    room = Room()
    hook.bodies = Bodies(room=room)
    monkeypatch.setattr("webhook.server.app.answer", lambda *_: 1 / 0)
    assert (await client.post(WORKLOADS_PATH, json=review(GPU_POD))).status == 500
    assert await is_empty(room)


async def test_a_request_that_is_cancelled_gives_the_memory_back() -> None:
    """Such as at the end of the server."""
    room = Room()

    async def work() -> None:
        await room.take(PARSED_BYTES)
        with Body(bytearray(), room, PARSED_BYTES):
            await asyncio.Event().wait()

    working = asyncio.create_task(work())
    await asyncio.sleep(0)
    working.cancel()
    with suppress(asyncio.CancelledError):
        await working
    assert await is_empty(room)
