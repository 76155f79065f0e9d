"""What the shell and kubectl complete, on the fake API server."""

import asyncio
import importlib
import os
import subprocess
import sys
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.cluster_world import namespace
from support.fake_api import FakeApi

from webhook.__main__ import complete_for_kubectl, main
from webhook.commands.completion.kubectl import completions
from webhook.commands.shared import completions as completions_shared
from webhook.kube_client import exec_plugin

PYPROJECT = Path(__file__).parents[3] / "pyproject.toml"
LIMIT_SECONDS, LOGIN_SECONDS = completions_shared.SECONDS, completions_shared.LOGIN_SECONDS


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a busy machine answer late; the tests of the limit have their own."""
    monkeypatch.setattr(completions_shared, "SECONDS", 60)


@pytest.fixture
async def fake() -> AsyncIterator[FakeApi]:
    """Serve two namespaces and a pod."""
    async with FakeApi() as api:
        api.put(namespace("ml"), namespace("web"))
        api.put({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "trainer-0", "namespace": "ml"}, "spec": {}})
        yield api


async def lines(api: FakeApi, folder: Path, line: str) -> list[str]:
    """Return the lines for kubectl; an empty last word is a space at the end."""
    words = line.split(" ")
    words[1:1] = ["--kubeconfig", api.kubeconfig(folder)]
    return await asyncio.to_thread(completions, main, words)


@pytest.mark.parametrize("option", ["-n ", "--namespace "])
@pytest.mark.parametrize("command", ["preview", "eject", "why", "doctor", "collect", "decisions", "verify"])
async def test_namespaces(fake: FakeApi, tmp_path: Path, command: str, option: str) -> None:
    """Those of the cluster that the word begins."""
    assert await lines(fake, tmp_path, f"{command} {option}") == ["ml", "web", ":4"]
    assert await lines(fake, tmp_path, f"{command} {option}m") == ["ml", ":4"]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("why -n ml ", ["trainer-0"]),
        ("why -n ml tr", ["trainer-0"]),
        ("why -n ml pod/t", ["pod/trainer-0"]),
        ("why -n ml pod t", ["trainer-0"]),
        ("why -n ml deploy/t", []),
        ("why -n ml deploy t", []),
        ("why --context ", ["fake"]),
        ("decisions --reason handler-mi", ["handler-missing", "handler-mixed"]),
        ("decisions --verdict b", ["bootstrap"]),
        ("decisions --installed-in w", ["web"]),
    ],
)
async def test_other_words(fake: FakeApi, tmp_path: Path, line: str, found: list[str]) -> None:
    """Pods of the namespace, contexts of the kubeconfig, and words of decisions."""
    assert await lines(fake, tmp_path, line) == [*found, ":4"]


@pytest.mark.parametrize("line", ["preview -f d", "preview --view d", "why --policy d", "doctor --from d"])
async def test_files(fake: FakeApi, tmp_path: Path, line: str) -> None:
    """The shell itself completes them."""
    assert await lines(fake, tmp_path, line) == [":0"]


@pytest.mark.parametrize("line", ["preview -n ", "why -n ml "])
async def test_a_failure_completes_nothing(fake: FakeApi, tmp_path: Path, line: str) -> None:
    """No right, and no answer."""
    fake.fault("/*", status=403)
    assert await lines(fake, tmp_path, line) == [":4"]
    words = line.split(" ")
    words[1:1] = ["--kubeconfig", str(tmp_path / "missing")]
    assert await asyncio.to_thread(completions, main, words) == [":4"]


def test_kubectl_runs_the_script_of_that_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the words of the line, the last of them unfinished."""
    entry = tomllib.loads(PYPROJECT.read_text())["project"]["scripts"]["kubectl_complete-gpu_injector"]
    module, _, name = entry.partition(":")
    assert getattr(importlib.import_module(module), name) is complete_for_kubectl
    monkeypatch.setattr(sys, "argv", ["kubectl_complete-gpu_injector", "prev"])
    complete_for_kubectl()
    printed = capsys.readouterr().out.splitlines()
    assert (printed[0].partition("\t")[0], printed[-1]) == ("preview", ":4")


def test_the_usage_of_the_plugin_is_that_of_kubectl() -> None:
    """The program itself has another name."""
    result = CliRunner().invoke(main, ["preview", "--help"], prog_name="kubectl-gpu_injector")
    assert result.stdout.startswith("Usage: kubectl gpu-injector preview ")


HANGS = (
    "import sys; print('log in at example.com', file=sys.stderr, flush=True); sys.stdin.close(); open('{pipe}').read()"
)


@pytest.mark.parametrize("line", ["preview -n ", "why -n ml ", "why "])
async def test_a_plugin_that_hangs_is_given_up(
    fake: FakeApi, tmp_path: Path, line: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """It waits for a pipe to which no process writes: it is ended by the limit of completion, without any output."""
    assert LOGIN_SECONDS < LIMIT_SECONDS <= 2
    monkeypatch.setattr(completions_shared, "LOGIN_SECONDS", 0.3)
    os.mkfifo(tmp_path / "pipe")
    ended: list[tuple[float, int | None]] = []
    wait = exec_plugin.wait_for

    def limited(process: subprocess.Popen[bytes], seconds: float) -> tuple[bytes, int]:
        assert seconds <= 0.3
        try:
            return wait(process, seconds)
        finally:
            process.kill()
            ended.append((seconds, process.wait()))

    monkeypatch.setattr(exec_plugin, "wait_for", limited)
    code = HANGS.format(pipe=tmp_path / "pipe")
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": sys.executable, "args": ["-c", code]}
    kubeconfig = fake.kubeconfig(tmp_path, exec={**plugin, "interactiveMode": "IfAvailable"})
    words = line.split(" ")
    words[1:1] = ["--kubeconfig", kubeconfig]
    assert await asyncio.to_thread(completions, main, words) == [":4"]
    assert ended == [(0.3, -9)]
    assert capfd.readouterr() == ("", "")
    assert fake.requests == []


async def test_an_api_server_that_hangs_is_given_up(
    fake: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit is one for the login and the answer together."""
    monkeypatch.setattr(completions_shared, "SECONDS", 0.3)
    held = fake.fault("/api/v1/namespaces", hold=True)
    assert await lines(fake, tmp_path, "preview -n ") == [":4"]
    held.release()
