"""Credentials that change: token files, exec plugins, the pod's own token, and what errors may say."""

import json
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
from support.cluster_world import CLASSES, call, runtime_class, session
from support.fake_api import FakeApi
from support.fake_time import FakeTime
from support.tls_files import make_tls_files

from webhook.kube_client.api_error import CredentialsError
from webhook.kube_client.client import KubeClient
from webhook.kube_client.clock import Clock
from webhook.kube_client.credentials import CredentialsLoader

NVIDIA = f"{CLASSES}/nvidia"
PLUGIN = """
import json, pathlib, sys
folder = pathlib.Path(sys.argv[1])
with (folder / "runs").open("a") as runs:
    runs.write("x")
status = {"token": (folder / "token").read_text()}
if (folder / "until").exists():
    status["expirationTimestamp"] = (folder / "until").read_text()
print(json.dumps({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}))
"""


@pytest.fixture
async def fake() -> AsyncIterator[FakeApi]:
    """Serve one RuntimeClass."""
    async with FakeApi() as api:
        api.put(runtime_class())
        yield api


@pytest.fixture
def plugin(tmp_path: Path) -> dict[str, Any]:
    """Return a user's entry with an exec plugin that reads the file ``token`` and counts its ``runs``."""
    (tmp_path / "plugin.py").write_text(PLUGIN)
    (tmp_path / "token").write_text("old")
    arguments = [str(tmp_path / "plugin.py"), str(tmp_path)]
    command = {"command": sys.executable, "args": arguments, "interactiveMode": "Never"}
    return {"exec": {"apiVersion": "client.authentication.k8s.io/v1", **command}}


def tokens(fake: FakeApi) -> list[str]:
    """Return the tokens that came, in order."""
    return [request.headers.get("Authorization", "").lower().removeprefix("bearer ") for request in fake.requests]


async def test_a_refused_token_is_read_again_once(fake: FakeApi, tmp_path: Path) -> None:
    """The request that met the 401 succeeds with the new token."""
    (tmp_path / "token").write_text("old")
    async with session(fake, tmp_path, tokenFile=str(tmp_path / "token")) as api:
        (tmp_path / "token").write_text("new")
        fake.require_token("new")
        assert (await call(api, "GET", NVIDIA))[0] == 200
        assert (await call(api, "GET", NVIDIA))[0] == 200
    assert tokens(fake) == ["old", "new", "new"]


async def test_a_token_that_did_not_change_is_not_tried_again(fake: FakeApi, tmp_path: Path) -> None:
    """401 is the answer; repeating the request would only double the load."""
    fake.require_token("another")
    async with session(fake, tmp_path, token="old") as api:  # noqa: S106 - fake
        assert (await call(api, "GET", NVIDIA))[0] == 401
    assert tokens(fake) == ["old"]


async def test_an_exec_plugin_is_run_again_when_its_token_is_refused(
    fake: FakeApi, tmp_path: Path, plugin: dict[str, Any]
) -> None:
    """And only then: a plugin may ask a person, or a cloud."""
    async with session(fake, tmp_path, **plugin) as api:
        assert (await call(api, "GET", NVIDIA))[0] == 200
        (tmp_path / "token").write_text("new")
        fake.require_token("new")
        assert (await call(api, "GET", NVIDIA))[0] == 200
    assert tokens(fake) == ["old", "old", "new"]
    assert (tmp_path / "runs").read_text() == "xx"


async def test_an_exec_plugin_is_not_run_each_minute(fake: FakeApi, tmp_path: Path, plugin: dict[str, Any]) -> None:
    """Its token is good until it says otherwise."""
    time = FakeTime()
    async with session(fake, tmp_path, time, **plugin) as api:
        for _ in range(5):
            time.now += 61
            await call(api, "GET", NVIDIA)
    assert (tmp_path / "runs").read_text() == "x"


async def test_credentials_that_cannot_be_read_any_more_are_told(fake: FakeApi, tmp_path: Path) -> None:
    """A refused token whose file is gone is an error that says so."""
    (tmp_path / "token").write_text("old")
    async with session(fake, tmp_path, tokenFile=str(tmp_path / "token")) as api:
        (tmp_path / "token").unlink()
        fake.require_token("new")
        with pytest.raises(CredentialsError, match="token"):
            await call(api, "GET", NVIDIA)


async def test_credentials_are_not_given_up_for_none(
    fake: FakeApi, tmp_path: Path, plugin: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """The package's own loader would log that the plugin failed, and continue anonymously."""
    async with session(fake, tmp_path, **plugin) as api:
        (tmp_path / "token").unlink()
        fake.require_token("new")
        with pytest.raises(CredentialsError, match=r"exec: executable .* failed with exit code 1"):
            await call(api, "GET", NVIDIA)
        (tmp_path / "token").write_text("new")
        assert (await call(api, "GET", NVIDIA))[0] == 200
    assert tokens(fake) == ["old", "old", "new"]
    assert caplog.text == ""


@pytest.mark.parametrize(
    "user", [{"token": ""}, {"username": "u"}, {"auth-provider": {"name": "odd"}}], ids=["token", "name", "provider"]
)
def test_empty_credentials_end_the_login(tmp_path: Path, user: dict[str, Any]) -> None:
    """A user who is meant to log in is never taken for an anonymous one."""
    path = tmp_path / "kubeconfig"
    context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
    clusters = [{"name": "c", "cluster": {"server": "http://c"}}]
    config = {
        "current-context": "c",
        "contexts": [context],
        "clusters": clusters,
        "users": [{"name": "u", "user": user}],
    }
    path.write_text(json.dumps(config))
    with pytest.raises(CredentialsError, match="empty or gone"):
        CredentialsLoader(str(path)).load()


@pytest.mark.parametrize(("provider", "words"), [("gcp", "gke-gcloud-auth-plugin"), ("azure", "kubelogin")])
def test_providers_that_kubectl_removed_are_refused_with_its_words(tmp_path: Path, provider: str, words: str) -> None:
    """The package's own code for them runs programs without a time limit."""
    path = tmp_path / "kubeconfig"
    context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
    clusters = [{"name": "c", "cluster": {"server": "http://c"}}]
    users = [{"name": "u", "user": {"auth-provider": {"name": provider}}}]
    config = {"current-context": "c", "contexts": [context], "clusters": clusters, "users": users}
    path.write_text(json.dumps(config))
    with pytest.raises(CredentialsError, match=f"The {provider} auth plugin has been removed.\n.*{words}"):
        CredentialsLoader(str(path)).load()


async def test_an_exec_plugin_is_run_again_before_its_token_ends(
    fake: FakeApi, tmp_path: Path, plugin: dict[str, Any]
) -> None:
    """Two minutes before; kubectl's own clients wait for the 401."""
    (tmp_path / "until").write_text("2026-01-01T12:00:00Z")
    now = datetime(2026, 1, 1, 11, 57, tzinfo=UTC)
    clock = Clock(now=lambda: now)
    loader = CredentialsLoader(fake.kubeconfig(tmp_path, **plugin), clock=clock)
    first = loader.load()
    assert loader.renew() is first
    now += timedelta(minutes=1, seconds=1)
    loader.renew()
    assert (tmp_path / "runs").read_text() == "xx"


async def answers(api: KubeClient) -> bool:
    """Return whether a request gets an answer."""
    with suppress(OSError):
        return bool(await call(api, "GET", NVIDIA))
    return False


@pytest.fixture
def pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Make this process look like a pod: token and CA as files, and a clock for the loader's own minute."""
    from kubernetes.config import incluster_config  # noqa: PLC0415 - only these tests pay for it

    files = make_tls_files(tmp_path, "127.0.0.1")
    facts = SimpleNamespace(files=files, token=tmp_path / "token", now=datetime(2026, 1, 1))  # noqa: DTZ001 - the loader's
    facts.token.write_text("old")
    clock = SimpleNamespace(datetime=SimpleNamespace(now=lambda: facts.now), timedelta=timedelta)
    monkeypatch.setattr(incluster_config, "datetime", clock)
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(facts.token))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(files.ca))
    return facts


async def test_a_pods_token_is_followed_before_it_expires(
    pod: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kubelet writes a new one in time; no request is refused, none waits, and the connection stays."""
    async with FakeApi(tls=pod.files.server_context()) as fake:
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(urlsplit(fake.url).port))
        time = FakeTime()
        async with KubeClient(CredentialsLoader(), monotonic=lambda: time.now) as api:
            await call(api, "GET", NVIDIA)
            pod.token.write_text("new")
            pod.now += timedelta(seconds=61)
            time.now += 61
            while tokens(fake)[-1] == "old":
                await call(api, "GET", NVIDIA)
    assert tokens(fake)[:2] == ["old", "old"]
    assert len({request.port for request in fake.requests}) == 1


async def test_a_clusters_ca_is_followed(pod: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the cluster's CA changes on disk, new connections trust the new one."""
    (tmp_path / "next").mkdir()
    after = make_tls_files(tmp_path / "next", "127.0.0.1")
    async with FakeApi(tls=after.server_context()) as fake:
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(urlsplit(fake.url).port))
        time = FakeTime()
        async with KubeClient(CredentialsLoader(), monotonic=lambda: time.now) as api:
            with pytest.raises(OSError, match="certificate"):
                await call(api, "GET", NVIDIA)
            pod.files.ca.write_bytes(after.ca.read_bytes())
            time.now += 61
            while not await answers(api):
                pass
    assert tokens(fake) == ["old"]


def test_a_context_is_chosen(tmp_path: Path) -> None:
    """Of several clusters, the one that is named."""
    names = ("here", "there")
    config = {
        "current-context": "here",
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}} for name in names],
        "clusters": [{"name": name, "cluster": {"server": f"http://{name}"}} for name in names],
        "users": [{"name": name, "user": {"token": name}} for name in names],
    }
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(config))
    assert CredentialsLoader(str(path)).load().server == "http://here"
    there = CredentialsLoader(str(path), "there").load()
    assert (there.server, there.authorization) == ("http://there", "Bearer there")


def test_the_namespace_of_a_context(tmp_path: Path) -> None:
    """As kubectl takes it: the chosen context's, "default" where it names none."""
    contexts = [
        {"name": "here", "context": {"cluster": "c", "user": "u", "namespace": "ml"}},
        {"name": "there", "context": {"cluster": "c", "user": "u"}},
    ]
    path = tmp_path / "kubeconfig"
    others = {"clusters": [{"name": "c", "cluster": {}}], "users": [{"name": "u", "user": {}}]}
    path.write_text(json.dumps({"current-context": "here", "contexts": contexts, **others}))
    loaders = (CredentialsLoader(str(path)), CredentialsLoader(str(path), "there"))
    assert [loader.namespace() for loader in loaders] == ["ml", "default"]


SECRET = "s3cr3t-value"  # noqa: S105 - the canary
KUBECONFIGS: dict[str, Any] = {
    "no file": None,
    "not YAML": f"token: {SECRET}\n\t{SECRET}",
    "empty": "",
    "a list": f"[{SECRET}]",
    "a list of what are no contexts": f"{{current-context: c, contexts: [{SECRET}], clusters: [], users: []}}",
    "a user without its level": (
        "current-context: c\ncontexts: [{name: c, context: {cluster: c, user: u}}]\n"
        f"clusters: [{{name: c, cluster: {{server: 'http://c'}}}}]\nusers: [{{name: u, token: {SECRET}}}]\n"
    ),
    "no text": b"\x80" + SECRET.encode(),
    "a user without the exec plugin's version": {"exec": {"command": "x", "env": [{"name": "A", "value": SECRET}]}},
    "a token file that is not there": {"tokenFile": "/nowhere/token", "password": SECRET},
    "a client certificate that is none": {
        "client-certificate-data": "eA==",
        "client-key-data": "eA==",
        "token": SECRET,
    },
    "data that is not base64": {"client-certificate-data": "é", "client-key-data": SECRET},
    "an environment without names": {"exec": {"apiVersion": "v1", "command": "true", "env": [{"value": SECRET}]}},
    "a failing token command": {"auth-provider": {"name": "gcp", "config": {"cmd-path": "false", "cmd-args": SECRET}}},
    "nothing": {"token": SECRET},
}


@pytest.mark.parametrize("content", KUBECONFIGS.values(), ids=KUBECONFIGS)
def test_what_is_said_of_a_kubeconfig_holds_no_secret(
    tmp_path: Path, content: object, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever is wrong with it, or nothing, the message, the repr and the loader's own log lines may be shown."""
    path = tmp_path / "kubeconfig"
    if isinstance(content, dict):
        cluster = {"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}
        context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
        users = [{"name": "u", "user": content}]
        config = {"current-context": "c", "contexts": [context], "clusters": [cluster], "users": users}
        path.write_text(json.dumps(config))
    elif isinstance(content, str):
        path.write_text(content)
    elif isinstance(content, bytes):
        path.write_bytes(content)
    shown = ""
    for read in (CredentialsLoader(str(path)).load, CredentialsLoader(str(path)).namespace):
        try:
            shown += repr(read())
        except CredentialsError as error:
            shown += f"{error!r} {error.__cause__!r}"
    assert SECRET not in shown + caplog.text


def test_a_kubeconfig_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A misspelt path is the commonest fault."""
    loader = CredentialsLoader(str(tmp_path / "absent"))
    for read in (loader.load, loader.namespace):
        with pytest.raises(CredentialsError, match=r"there is no kubeconfig at .*/absent"):
            read()
