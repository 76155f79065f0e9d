"""The session to the API server: requests, watches, connections kept, and TLS."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from support.cluster_world import CLASSES, call, runtime_class, session
from support.fake_api import FakeApi
from support.tls_files import TlsFiles, make_tls_files

from webhook.kube_client.api_error import ApiError
from webhook.kube_client.client import KubeClient
from webhook.kube_client.credentials import CredentialsLoader

NVIDIA = f"{CLASSES}/nvidia"
SECRETS = "/api/v1/namespaces/gpu-injector/secrets"


@pytest.fixture
async def fake() -> AsyncIterator[FakeApi]:
    """Serve one RuntimeClass."""
    async with FakeApi() as api:
        api.put(runtime_class())
        yield api


@pytest.fixture
def tls(tmp_path: Path) -> TlsFiles:
    """Make a CA and its pairs."""
    return make_tls_files(tmp_path, "127.0.0.1")


async def test_an_answer_is_a_status_and_an_object(fake: FakeApi, tmp_path: Path) -> None:
    """A status that is no success is an answer too."""
    async with session(fake, tmp_path) as api:
        status, item = await call(api, "GET", NVIDIA)
        assert (status, item["handler"]) == (200, "nvidia")
        status, item = await call(api, "GET", f"{CLASSES}/absent")
        assert (status, item["reason"]) == (404, "NotFound")


async def test_a_body_is_sent_as_json_of_the_type_that_is_named(fake: FakeApi, tmp_path: Path) -> None:
    """Create, patch, and a patch whose test fails."""
    async with session(fake, tmp_path) as api:
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "gpu-injector"}}
        assert (await call(api, "POST", SECRETS, body=secret))[0] == 201
        patch = [{"op": "test", "path": "/metadata/name", "value": "another"}]
        path = f"{SECRETS}/gpu-injector"
        status, answer = await call(api, "PATCH", path, body=patch, content_type="application/json-patch+json")
        assert (status, answer["reason"]) == (422, "Invalid")
        status, answer = await call(api, "PATCH", path, body={"type": "x"}, content_type="application/merge-patch+json")
        assert (status, answer["type"]) == (200, "x")


async def test_a_request_without_a_body_names_no_content_type(fake: FakeApi, tmp_path: Path) -> None:
    """None is no body; an empty object is one."""
    async with session(fake, tmp_path) as api:
        await call(api, "GET", NVIDIA)
        await call(api, "DELETE", NVIDIA, body={})
    assert [request.body for request in fake.requests] == [b"", b"{}"]
    assert "Content-Type" not in fake.requests[0].headers


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b'"text"', b"\xff\xfe"])
async def test_a_body_that_is_no_object_is_an_empty_one(fake: FakeApi, tmp_path: Path, body: bytes) -> None:
    """The status still counts."""
    fake.fault(NVIDIA, status=200, body=body)
    async with session(fake, tmp_path) as api:
        assert await call(api, "GET", NVIDIA) == (200, {})


@pytest.mark.parametrize("fault", [{"close": True}, {"close": True, "body": b'{"kind":'}], ids=["at once", "half way"])
async def test_a_cut_connection_is_an_os_error(fake: FakeApi, tmp_path: Path, fault: dict[str, Any]) -> None:
    """Callers know one kind of failure."""
    fake.fault(NVIDIA, **fault)
    async with session(fake, tmp_path) as api:
        with pytest.raises(OSError, match=r"."):
            await call(api, "GET", NVIDIA)


async def test_nobody_listening_is_an_os_error(tmp_path: Path) -> None:
    """The API server is away."""
    async with FakeApi() as gone:
        config = gone.kubeconfig(tmp_path)
    async with KubeClient(CredentialsLoader(config)) as api:
        with pytest.raises(OSError, match="Cannot connect"):
            await call(api, "GET", NVIDIA)


async def test_a_server_that_hangs_is_a_timeout(fake: FakeApi, tmp_path: Path) -> None:
    """The bound holds for the whole request."""
    fake.fault(NVIDIA, hold=True)
    async with session(fake, tmp_path) as api:
        with pytest.raises(TimeoutError):
            await call(api, "GET", NVIDIA, timeout_seconds=0.05)


async def test_requests_reuse_their_connection(fake: FakeApi, tmp_path: Path) -> None:
    """A live look has 300 ms; it must not begin with a handshake."""
    async with session(fake, tmp_path) as api:
        for _ in range(5):
            await call(api, "GET", NVIDIA)
    assert len({request.port for request in fake.requests}) == 1


async def test_compression_is_not_asked_for(fake: FakeApi, tmp_path: Path) -> None:
    """Unpacking 75 MB of Nodes would cost more than the network does."""
    async with session(fake, tmp_path) as api:
        await call(api, "GET", NVIDIA)
    assert fake.requests[0].headers["Accept-Encoding"] == "identity"


async def test_a_watch_yields_events_until_it_ends(fake: FakeApi, tmp_path: Path) -> None:
    """What is in the store is replayed from the revision given."""
    async with session(fake, tmp_path) as api:
        seen = []
        async for event in api.watch(f"{CLASSES}?watch=1&resourceVersion=100", read_timeout_seconds=5):
            seen.append((event["type"], event["object"]["metadata"]["name"]))
            fake.end_watches()
    assert seen == [("ADDED", "nvidia")]


async def test_a_refused_watch_is_an_error(fake: FakeApi, tmp_path: Path) -> None:
    """Its status is that of HTTP, whatever the body says."""
    fake.fault(CLASSES, status=403, body=b"forbidden")
    async with session(fake, tmp_path) as api:
        with pytest.raises(ApiError) as refused:
            await anext(api.watch(f"{CLASSES}?watch=1", read_timeout_seconds=5))
    assert (str(refused.value), refused.value.with_request) == ("403", f"WATCH {CLASSES}: 403")


async def test_a_watch_that_is_left_is_closed(fake: FakeApi, tmp_path: Path) -> None:
    """The server learns that the client has gone."""
    async with session(fake, tmp_path) as api:
        async with aclosing(api.watch(f"{CLASSES}?watch=1&resourceVersion=100", read_timeout_seconds=5)) as events:
            await anext(events)
            await fake.watching(CLASSES, 1)
        await fake.watching(CLASSES, 0)


async def test_a_silent_watch_is_a_timeout(fake: FakeApi, tmp_path: Path) -> None:
    """Half-open connections look like this."""
    fake.fault(CLASSES, silent=True)
    async with session(fake, tmp_path) as api:
        with pytest.raises(TimeoutError):
            await anext(api.watch(f"{CLASSES}?watch=1", read_timeout_seconds=0.05))


async def test_closing_the_session_ends_its_watches(fake: FakeApi, tmp_path: Path) -> None:
    """As an OSError, like every other loss."""
    async with session(fake, tmp_path) as api:
        waiting = asyncio.create_task(
            anext(api.watch(f"{CLASSES}?watch=1&resourceVersion=999", read_timeout_seconds=60))
        )
        await fake.watching(CLASSES)
    with pytest.raises(OSError, match=r"."):
        await waiting


async def test_the_server_is_verified_with_the_clusters_ca(tls: TlsFiles, tmp_path: Path) -> None:
    """certificate-authority of the kubeconfig."""
    async with FakeApi(tls=tls.server_context()) as fake:
        config = fake.kubeconfig(tmp_path, cluster={"certificate-authority": str(tls.ca)})
        async with KubeClient(CredentialsLoader(config)) as api:
            assert (await call(api, "GET", NVIDIA))[0] == 404


async def test_a_server_of_another_ca_is_refused(tls: TlsFiles, tmp_path: Path) -> None:
    """No token is ever sent to it."""
    (tmp_path / "other").mkdir()
    other = make_tls_files(tmp_path / "other", "127.0.0.1")
    async with FakeApi(tls=tls.server_context()) as fake:
        config = fake.kubeconfig(tmp_path, cluster={"certificate-authority": str(other.ca)}, token="t")  # noqa: S106 - fake
        async with KubeClient(CredentialsLoader(config)) as api:
            with pytest.raises(OSError, match="certificate"):
                await call(api, "GET", NVIDIA)
        assert fake.requests == []


async def test_verification_is_off_only_on_demand(tls: TlsFiles, tmp_path: Path) -> None:
    """insecure-skip-tls-verify of the kubeconfig."""
    async with FakeApi(tls=tls.server_context()) as fake:
        config = fake.kubeconfig(tmp_path, cluster={"insecure-skip-tls-verify": True})
        async with KubeClient(CredentialsLoader(config)) as api:
            assert (await call(api, "GET", NVIDIA))[0] == 404


@pytest.mark.parametrize(("name", "good"), [("kubernetes.default", True), ("another.name", False)])
async def test_the_name_to_verify_may_be_given(tmp_path: Path, name: str, *, good: bool) -> None:
    """tls-server-name, where the address is not in the server's certificate."""
    tls = make_tls_files(tmp_path, "kubernetes.default")
    async with FakeApi(tls=tls.server_context()) as fake:
        cluster = {"certificate-authority": str(tls.ca), "tls-server-name": name}
        async with KubeClient(CredentialsLoader(fake.kubeconfig(tmp_path, cluster=cluster))) as api:
            if good:
                assert (await call(api, "GET", NVIDIA))[0] == 404
            else:
                with pytest.raises(OSError, match="certificate"):
                    await call(api, "GET", NVIDIA)


async def test_a_client_certificate_is_shown(tls: TlsFiles, tmp_path: Path) -> None:
    """The server accepts no other token."""
    pair = {"client-certificate": str(tls.client), "client-key": str(tls.client)}
    async with FakeApi(tls=tls.server_context(ask_for_client=True)) as fake:
        config = fake.kubeconfig(tmp_path, cluster={"certificate-authority": str(tls.ca)}, **pair)
        async with KubeClient(CredentialsLoader(config)) as api:
            assert (await call(api, "GET", NVIDIA))[0] == 404


async def test_a_proxy_of_the_kubeconfig_is_used(fake: FakeApi, tmp_path: Path) -> None:
    """The proxy gets the request for a server that cannot be reached directly."""
    cluster = {"server": "http://kubernetes.invalid", "proxy-url": fake.url}
    async with KubeClient(CredentialsLoader(fake.kubeconfig(tmp_path, cluster=cluster))) as api:
        assert (await call(api, "GET", NVIDIA))[0] == 200
    assert fake.requests[0].headers["Host"] == "kubernetes.invalid"


def test_importing_the_session_does_not_load_the_kubernetes_package() -> None:
    """Only commands that talk to a cluster pay its 15 MiB."""
    code = "import sys, webhook.kube_client.client, webhook.view.live_view; sys.exit('kubernetes' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
