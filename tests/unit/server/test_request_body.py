"""Bodies: measured before they are parsed, and bounded while they arrive and while they are worked on."""

import asyncio
from contextlib import AsyncExitStack, suppress
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from support.served import GPU_POD, counted, review

from webhook.kube.json_size import MOST_VALUES
from webhook.names import EPHEMERAL_PATH, WORKLOADS_PATH
from webhook.server.app import LIMITS_BYTES, Webhook
from webhook.server.overload import BusyError, Load
from webhook.server.request_body import (
    BODY_LIMIT_BYTES,
    BYTES_PER_VALUE,
    CREATE_LIMIT_BYTES,
    PARSED_BYTES,
    Bodies,
    Room,
    TooLargeError,
    parsed_size,
)

Client = TestClient[Any, Any]


def head(length: int, path: str = WORKLOADS_PATH) -> bytes:
    """Return the head of a request with a body of so many bytes."""
    return f"POST {path}?timeout=30s HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode()


async def begun(client: Client, stack: AsyncExitStack, announced: int, sent: int) -> asyncio.StreamReader:
    """Open a connection, and send a part of a body."""
    reader, writer = await asyncio.open_connection(client.host, client.port)
    stack.callback(writer.close)
    writer.write(head(announced) + b" " * sent)
    await writer.drain()
    return reader


@pytest.mark.parametrize("value", [b"{", b"[", b","])
def test_values_are_counted_before_a_body_is_parsed(value: bytes) -> None:
    """Each costs memory and time, however short the body is."""
    assert parsed_size(bytearray(value * MOST_VALUES)) > 0
    with pytest.raises(TooLargeError, match="more than 200000 values"):
        parsed_size(bytearray(value * (MOST_VALUES + 1)))


def test_the_largest_body_fits_into_the_room() -> None:
    """Else it would wait for ever."""
    assert 2 * BODY_LIMIT_BYTES + BYTES_PER_VALUE * MOST_VALUES <= PARSED_BYTES


@pytest.mark.parametrize(("path", "limit"), [(WORKLOADS_PATH, CREATE_LIMIT_BYTES), (EPHEMERAL_PATH, BODY_LIMIT_BYTES)])
async def test_each_path_has_its_limit(client: Client, path: str, limit: int) -> None:
    """The announced length is enough: nothing of the body is read."""
    assert LIMITS_BYTES.get(path, BODY_LIMIT_BYTES) == limit
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(head(limit + 1, path))
    assert (await reader.readline()).startswith(b"HTTP/1.1 413 ")
    writer.close()


async def test_a_wide_body_is_refused_and_not_parsed(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """413 names the limit; the parser is never called."""
    monkeypatch.setattr("webhook.server.app.parse_review", lambda _: pytest.fail("it was parsed"))
    response = await client.post(WORKLOADS_PATH, data=b"[" + b"[]," * MOST_VALUES)
    assert (response.status, "more than 200000 values" in await response.text()) == (413, True)


async def test_slow_senders_do_not_get_a_review_refused(hook: Webhook, client: Client) -> None:
    """Sixteen of them, each with a large body; a review of 70 KiB is served meanwhile."""
    async with AsyncExitStack() as stack:
        for _ in range(16):
            await begun(client, stack, 3_000_000, 100_000)
        pod = GPU_POD | {"metadata": {"name": "model", "annotations": {"note": "x" * 70 * 1024}}}
        assert (await client.post(WORKLOADS_PATH, json=review(pod))).status == 200
    assert counted(hook, "503") == 0


async def test_the_body_that_began_first_gives_up_its_place(hook: Webhook, client: Client) -> None:
    """Its sender gets 408; a body that comes later arrives whole."""
    hook.bodies, hook.load = Bodies(arriving_bytes=1000), Load(clock=lambda: 0.0)
    async with AsyncExitStack() as stack:
        slow = await begun(client, stack, 5000, 600)
        while not counted_bytes(hook.bodies):  # noqa: ASYNC110 - one turn of the loop at a time
            await asyncio.sleep(0)
        assert (await client.post(WORKLOADS_PATH, json=review(GPU_POD))).status == 200
        assert (await slow.readline()).startswith(b"HTTP/1.1 408 ")
    assert counted_bytes(hook.bodies) == 0


def counted_bytes(bodies: Bodies) -> int:
    """Return how many bytes are counted as arriving."""
    return bodies._bytes  # noqa: SLF001 - the account itself


async def test_a_body_beyond_all_room_gives_up_itself(hook: Webhook, client: Client) -> None:
    """The account of bytes is right afterwards."""
    hook.bodies, hook.load = Bodies(arriving_bytes=1000), Load(clock=lambda: 0.0)
    response = await client.post(WORKLOADS_PATH, data=b" " * 50_000)
    assert (response.status, counted_bytes(hook.bodies)) == (408, 0)


async def test_a_client_that_goes_away_in_mid_body_is_no_failure(hook: Webhook, client: Client) -> None:
    """It counts as 499; no 500, on which an alert waits."""
    async with AsyncExitStack() as stack:
        await begun(client, stack, 5000, 600)
        while not counted_bytes(hook.bodies):  # noqa: ASYNC110 - one turn of the loop at a time
            await asyncio.sleep(0)
    while not counted(hook, "499"):  # noqa: ASYNC110 - likewise
        await asyncio.sleep(0)
    assert (counted(hook, "500"), counted_bytes(hook.bodies)) == (0, 0)


async def test_a_body_that_breaks_the_rules_of_http_is_no_failure(hook: Webhook, client: Client) -> None:
    """After a chunk without a length the rest never arrives: the deadline ends the wait."""
    hook.load = Load(clock=lambda: 0.0)
    reader, writer = await asyncio.open_connection(client.host, client.port)
    line = f"POST {WORKLOADS_PATH}?timeout=200ms HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    writer.write(f"{line}1\r\n{{\r\n".encode())
    while not counted_bytes(hook.bodies):  # noqa: ASYNC110 - one turn of the loop at a time
        await asyncio.sleep(0)
    writer.write(b"zz\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.1 408 ")
    writer.close()
    assert counted(hook, "500") == 0


async def test_the_smallest_body_that_waits_goes_first() -> None:
    """So that large ones delay the large ones."""
    room, order = Room(100), list[int]()

    async def work(size: int) -> None:
        await room.take(size)
        order.append(size)

    await room.take(100)
    tasks = [asyncio.create_task(work(size)) for size in (90, 80, 10)]
    await asyncio.sleep(0)
    for size in (100, 10, 80, 90):
        room.give_back(size)
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    assert order == [10, 80, 90]


async def test_a_body_that_gives_up_waiting_leaves_no_debt() -> None:
    """Whether it was granted its room in the same moment or not."""
    room = Room(100)
    await room.take(100)
    waiting, granted = asyncio.create_task(room.take(60)), asyncio.create_task(room.take(50))
    await asyncio.sleep(0)
    waiting.cancel()
    room.give_back(100)
    granted.cancel()
    for task in (waiting, granted):
        with suppress(asyncio.CancelledError):
            await task
    async with asyncio.timeout(1):
        await room.take(100)


async def test_a_whole_body_without_room_is_busy(hook: Webhook, client: Client) -> None:
    """503, so that the API server asks another replica; 408 would blame the sender."""
    room = Room(1)
    await room.take(1)
    hook.bodies = Bodies(room=room)
    response = await client.post(WORKLOADS_PATH + "?timeout=50ms", json=review(GPU_POD))
    assert response.status == 503
    assert issubclass(BusyError, Exception)


class Sent:
    """A request whose body arrives in these parts; a future is a part that arrives later."""

    content_length = None

    def __init__(self, *parts: bytes | asyncio.Future[bytes]) -> None:
        self.content = self
        self._parts = list(parts)

    async def readany(self) -> bytes:
        """Return the next part; without one, wait for ever."""
        part = self._parts.pop(0) if self._parts else asyncio.Future[bytes]()
        return part if isinstance(part, bytes) else await part


async def read_from(bodies: Bodies, sent: Sent, seconds: float) -> int:
    """Read a body, and return its length."""
    with await bodies.read(sent, 1000, seconds) as content:  # type: ignore[arg-type]  # what is read of a request
        return len(content)


async def test_a_body_that_gives_up_its_place_at_its_deadline_harms_no_other() -> None:
    """Its deadline has just passed, and it has not left yet, when another body needs its place."""
    bodies = Bodies(arriving_bytes=100)
    slow = asyncio.create_task(read_from(bodies, Sent(b" " * 60), 0))
    await asyncio.sleep(0)
    other = asyncio.create_task(read_from(bodies, Sent(b" " * 60, b""), 10))
    outcomes = await asyncio.gather(slow, other, return_exceptions=True)
    assert ([type(outcomes[0]), outcomes[1]], counted_bytes(bodies)) == ([TimeoutError, 60], 0)


async def test_what_arrives_after_a_body_gave_up_its_place_is_not_counted() -> None:
    """Its next part arrives in the same turn of the loop. What is counted then would never be subtracted."""
    bodies, late = Bodies(arriving_bytes=100), [asyncio.Future[bytes](), asyncio.Future[bytes]()]
    slow = asyncio.create_task(read_from(bodies, Sent(b" " * 60, late[0], b""), 10))
    other = asyncio.create_task(read_from(bodies, Sent(late[1], b""), 10))
    await asyncio.sleep(0)
    for one in reversed(late):
        one.set_result(b" " * 60)
    outcomes = await asyncio.gather(slow, other, return_exceptions=True)
    assert ([type(outcomes[0]), outcomes[1]], counted_bytes(bodies)) == ([TimeoutError, 60], 0)
