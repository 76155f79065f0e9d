"""What others choose costs the view little: names that are looked for, lines of a watch, revisions, a kubeconfig."""

import asyncio
from collections.abc import AsyncIterator
from itertools import chain
from pathlib import Path

import pytest
from support.golden_cases import GOLDEN, read_view
from support.served import GPU_POD

from webhook.decide.decision import RequestInfo
from webhook.kube_client import session as session_module
from webhook.kube_client.answer import Answer
from webhook.kube_client.api_error import CredentialsError
from webhook.kube_client.client import KubeClient
from webhook.kube_client.credentials import CredentialsLoader
from webhook.kube_client.kubeconfig import KUBECONFIG_BYTES
from webhook.kube_client.reflector import revision_of
from webhook.kube_client.resource import Found
from webhook.kube_client.session import MAX_LINE_BYTES
from webhook.policy.model import Policy
from webhook.server.decide_live import FixedView, decide_live
from webhook.view.live_view import LOOKS_AT_ONCE, LiveView
from webhook.view.store import LOOKS_KEPT, KindCache

VIEW = read_view(GOLDEN / "view.yaml")


class Asked(FixedView):
    """A view that notes what it is asked to look for."""

    names: list[str]

    async def look(self, kind: str, name: str, timeout_seconds: float) -> bool:  # noqa: ARG002 - the protocol's
        """Find nothing."""
        self.names.append(name)
        return False


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("unknown", True),
        ("a", True),
        ("n" * 63, True),
        ("n" * 64, False),
        ("n" * 450_000, False),
        ("", False),
        ("-a", False),
        ("a.b", False),
        ("../nodes", False),
        ("Upper", False),
    ],
)
async def test_only_a_name_that_a_namespace_can_have_is_looked_for(name: str, *, asked: bool) -> None:
    """The others are unknown for certain: nothing is sent, and nothing remembered."""
    source = Asked(VIEW, age_seconds=5)
    object.__setattr__(source, "names", [])
    found = await decide_live(GPU_POD, RequestInfo(name), Policy(), source)
    assert (found.word, source.names) == ("leave/namespace-unknown", [name] if asked else [])


def test_so_many_looks_are_remembered() -> None:
    """The latest ones; an object that is not there changes nothing."""
    cache = KindCache()
    cache.replace({"ml": Found(1, {})}, 1, started_at=0.0)
    values = cache.values
    for number in range(LOOKS_KEPT + 500):
        assert not cache.look(f"n{number}", None, since=1, at=float(number))
    assert cache.values is values
    assert len(cache._looked_at) == LOOKS_KEPT  # noqa: SLF001 - the memory itself
    assert cache.object_current_at(f"n{LOOKS_KEPT + 499}") == LOOKS_KEPT + 499


class Held(KubeClient):
    """An API server that lists nothing, and answers no single GET."""

    def __init__(self) -> None:
        self.under_way = self.most = 0

    async def read(self, path: str, *, timeout_seconds: float, most_bytes: int) -> Answer:
        """Wait for ever, counted."""
        assert min(timeout_seconds, most_bytes) > 0
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await asyncio.Event().wait()
        finally:
            self.under_way -= 1
        return Answer(path, 404, b"")


async def test_few_looks_are_under_way_at_a_time() -> None:
    """Reviews of ever new namespaces are no load for the API server; each waits no longer than it may."""
    held = Held()
    live = LiveView(held)  # no watch is started
    for watched in chain.from_iterable(live._watched.values()):  # noqa: SLF001 - as after a list
        watched.cache.replace({}, 1, started_at=0.0)
    looks = [live.look("namespaces", f"n{number}", 0.05) for number in range(5 * LOOKS_AT_ONCE)]
    assert not any(await asyncio.gather(*looks))
    assert (held.most, held.under_way) == (LOOKS_AT_ONCE, 0)


class Content:
    """A body that arrives in chunks."""

    def __init__(self, *chunks: bytes) -> None:
        self._chunks = chunks

    async def iter_any(self) -> AsyncIterator[bytes]:
        """Yield them."""
        for chunk in self._chunks:
            yield chunk


@pytest.mark.parametrize("size", [1, 2, 3, 100])
async def test_lines_are_the_same_however_they_arrive(size: int) -> None:
    """A line may come in many chunks, and a chunk may have many lines."""
    whole = b"one\ntwo\n\n  \nthree\n"
    chunks = [whole[start : start + size] for start in range(0, len(whole), size)]
    lines = [line async for line in session_module._lines(Content(*chunks))]  # type: ignore[arg-type]  # noqa: SLF001
    assert lines == [b"one", b"two", b"three"]


async def test_a_line_without_an_end_is_given_up() -> None:
    """It is never held whole."""
    endless = Content(*[b"x" * 2**20] * (MAX_LINE_BYTES // 2**20 + 1))
    with pytest.raises(ConnectionError, match="a line without end"):
        _ = [line async for line in session_module._lines(endless)]  # type: ignore[arg-type]  # noqa: SLF001


@pytest.mark.parametrize(
    ("version", "revision"), [("7", 7), ("9" * 20, int("9" * 20)), ("9" * 21, -1), ("9" * 10_000, -1), ("x", -1)]
)
def test_a_revision_is_a_number_of_etcd(version: str, revision: int) -> None:
    """Python refuses to read a number of thousands of digits, which would end the watch for good."""
    assert revision_of({"metadata": {"resourceVersion": version}}) == revision


def test_a_huge_kubeconfig_is_not_read(tmp_path: Path) -> None:
    """YAML takes many times its size in memory."""
    file = tmp_path / "config"
    file.write_bytes(b"#" * (KUBECONFIG_BYTES + 1))
    with pytest.raises(CredentialsError, match="is larger than"):
        CredentialsLoader(str(file)).load()
