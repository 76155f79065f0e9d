"""How commands reach a live cluster: which one, and what becomes of one that is not there."""

import asyncio
import errno
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.cluster_world import CLASSES, namespace, runtime_class
from support.fake_api import FakeApi

from webhook.__main__ import main
from webhook.commands.shared.cluster import Target, api_server, live_view
from webhook.commands.shared.input_files import InputError
from webhook.names import REGISTRATION_PATH
from webhook.policy.model import Policy


async def test_the_view_with_the_rights_of_the_caller(tmp_path: Path) -> None:
    """A namespace's viewer may get the policy's class and a namespace that the command names."""
    async with FakeApi() as fake:
        fake.put(runtime_class(), namespace("ml"), namespace("web"))
        fake.fault(CLASSES, status=403)
        fake.fault("/api/v1/namespaces", status=403)
        fake.fault("/api/v1/nodes", status=403)
        target = Target(Path(fake.kubeconfig(tmp_path)), "fake")
        async with api_server(target) as api:
            found = await live_view(api, Policy(), {"namespaces": ["ml"]})
    assert (set(found.view.runtime_classes or ()), set(found.view.namespaces or ())) == ({"nvidia"}, {"ml"})
    assert (found.view.nodes, found.unknown["nodes"]) == (None, "403 Fault403")


async def test_a_server_that_is_away_ends_the_command(tmp_path: Path) -> None:
    """As an error of the command line, exit code 2; aiohttp's own message does not help users."""
    async with FakeApi() as fake:
        target = Target(Path(fake.kubeconfig(tmp_path)))
    with pytest.raises(InputError, match=r"did not answer: Cannot connect to host 127.0.0.1:\d+ \[Con") as failed:
        async with api_server(target) as api:
            await live_view(api, Policy())
    assert failed.value.exit_code == 2


@pytest.mark.parametrize("error", [BrokenPipeError(errno.EPIPE, "x"), OSError(errno.ENOSPC, "x")])
async def test_an_output_that_fails_is_no_silence_of_the_api_server(error: OSError, tmp_path: Path) -> None:
    """``decisions --follow | head -1`` prints while it has a client."""
    async with FakeApi() as fake:
        with pytest.raises(type(error)) as failed:
            async with api_server(Target(Path(fake.kubeconfig(tmp_path)))):
                raise error
    assert failed.value is error


async def test_a_context_that_is_not_there_ends_the_command(tmp_path: Path) -> None:
    """The message names it."""
    async with FakeApi() as fake:
        with pytest.raises(InputError, match=r"credentials: .*other"):
            async with api_server(Target(Path(fake.kubeconfig(tmp_path)), "other")):
                pass


@pytest.mark.parametrize(
    "words",
    [
        ("preview", "-A"),
        ("eject", "-A"),
        ("why", "pod/p", "-n", "ml"),
        ("view",),
        ("verify", "--image", "x"),
        ("decisions",),
    ],
    ids=lambda words: words[0],
)
async def test_the_registration_is_read_once(tmp_path: Path, words: tuple[str, ...]) -> None:
    """It names the namespace of the installation, which several parts of a command need."""
    async with FakeApi() as fake:
        fake.put(runtime_class(), namespace("ml"))
        fake.put({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "ml"}, "spec": {}})
        await asyncio.to_thread(CliRunner().invoke, main, [*words, "--kubeconfig", fake.kubeconfig(tmp_path)])
        assert fake.count(path=REGISTRATION_PATH) == 1
