"""Overload: a request that would be answered too late gets 503, and slow clients do not delay others."""

import asyncio
import json
import zlib
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestClient
from support.served import GPU_POD, counted, review

from webhook.names import WORKLOADS_PATH
from webhook.server import overload as load
from webhook.server.app import Webhook
from webhook.server.listeners import LOOPBACK, listener
from webhook.server.overload import BusyError, Load

TIMEOUT_SECONDS = 3.0


def test_a_loop_that_does_not_come_round_takes_no_more() -> None:
    """Twice the capacity of a slow machine: 100 requests at once, 60 ms each. What is served, is served in time."""
    now, served, shed = 0.0, [], 0
    busy = Load(clock=lambda: now)
    for _ in range(10):
        busy.tick()
        arrived = now
        for _ in range(100):
            try:
                busy.check(TIMEOUT_SECONDS)
                now += 0.06
                served.append(now - arrived)
            except BusyError:
                now += 0.001
                shed += 1
    assert (len(served), shed) == (170, 830)
    assert max(served) < TIMEOUT_SECONDS / 2


def test_it_recovers_at_once() -> None:
    """The next time round it takes what comes; no average has to sink first."""
    now = 0.0
    busy = Load(clock=lambda: now)
    busy.tick()
    now = 100.0
    with pytest.raises(BusyError):
        busy.check(TIMEOUT_SECONDS)
    busy.tick()
    busy.check(TIMEOUT_SECONDS)


def test_a_patient_caller_is_served_longer() -> None:
    """The registration's timeoutSeconds says what too late is."""
    now = 0.0
    busy = Load(clock=lambda: now)
    busy.tick()
    now = 2.0
    with pytest.raises(BusyError):
        busy.check(3)
    busy.check(30)


async def test_who_is_shed_is_asked_to_come_again(hook: Webhook, client: TestClient[Any, Any]) -> None:
    """503 with Retry-After, on a connection that ends: the API server asks another replica."""
    now = 0.0
    hook.load = Load(clock=lambda: now)
    hook.load.tick()
    now = 1.1
    response = await client.post(WORKLOADS_PATH, json=review(GPU_POD))
    assert (response.status, response.headers["Retry-After"], response.headers["Connection"]) == (503, "1", "close")
    assert counted(hook, "503") == 1
    assert (await client.post(WORKLOADS_PATH + "?timeout=10s", json=review(GPU_POD))).status == 200


async def test_the_loop_is_watched_while_it_serves(
    hook: Webhook, client: TestClient[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ticks by itself for as long as the listener is there."""
    monkeypatch.setattr(load, "TICK_SECONDS", 0)
    assert (await client.post(WORKLOADS_PATH, json=review(GPU_POD))).status == 200
    hook.load.ticked = before = -1.0
    while hook.load.ticked == before:  # noqa: ASYNC110 - one turn of the loop at a time
        await asyncio.sleep(0)


HALF = f"POST {WORKLOADS_PATH}?timeout=30s HTTP/1.1\r\nHost: x\r\nContent-Length: {{}}\r\n\r\nhalf"


@pytest.mark.parametrize(
    ("connections", "head"),
    [(1000, ""), (500, HALF[:20]), (500, HALF.format(5000)), (32, HALF.format(3_000_000))],
    ids=("idle", "half a head", "half a body", "half a large body"),
)
async def test_who_dawdles_keeps_nobody_waiting(
    hook: Webhook, client: TestClient[Any, Any], connections: int, head: str
) -> None:
    """Connections that say nothing, or begin and stop, take nothing from those that ask and listen."""
    async with AsyncExitStack() as open_ones:
        for _ in range(connections):
            _, writer = await asyncio.open_connection(client.host, client.port)
            open_ones.callback(writer.close)
            writer.write(head.encode())
        for _ in range(20):
            assert (await client.post(WORKLOADS_PATH, json=review(GPU_POD))).status == 200
    assert counted(hook, "200") == 20


async def test_a_compressed_body_does_not_grow(hook: Webhook) -> None:
    """A few KiB of it would be MiB in memory, counted as small."""
    body = zlib.compress(json.dumps(review(GPU_POD)).encode() + b" " * 2**20)
    async with listener(hook.application(), LOOPBACK, 0) as port, ClientSession() as session:
        url, headers = f"http://{LOOPBACK}:{port}{WORKLOADS_PATH}", {"Content-Encoding": "deflate"}
        async with session.post(url, data=body, headers=headers) as response:
            assert (response.status, (await response.text())[:8]) == (400, "not JSON")
