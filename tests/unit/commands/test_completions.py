"""What the shell and kubectl complete, on the fake API server."""

import asyncio
import importlib
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

PYPROJECT = Path(__file__).parents[3] / "pyproject.toml"


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
