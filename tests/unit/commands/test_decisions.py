"""The command `decisions`: every replica asked by port-forward through the API server, and their answers merged."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestClient, TestServer
from click.testing import CliRunner, Result
from support.fake_api import FakeApi
from support.served import decided, pod, replica, review, webhook

from webhook.__main__ import main
from webhook.commands.decisions import run as command
from webhook.commands.decisions.web_page import Web
from webhook.commands.shared.cluster import Target, api_server
from webhook.commands.shared.replica_port_forward import Replicas, port_of
from webhook.names import WORKLOADS_PATH
from webhook.page.filters import Filters
from webhook.server.admin import Admin
from webhook.server.app import Webhook

TOKEN = "token-of-the-user"  # noqa: S105 - of the fake
PODS = "/api/v1/namespaces/gpu-injector/pods"


@dataclass
class World:
    """An API server, the kubeconfig of who asks it, and the webhooks behind its pods."""

    fake: FakeApi
    kubeconfig: str
    hooks: dict[str, Webhook]

    def run(self, *arguments: str) -> Result:
        """Run the command."""
        return CliRunner().invoke(main, ["decisions", "--kubeconfig", self.kubeconfig, *arguments])

    async def lines(self, *arguments: str) -> list[str]:
        """Run the command in a thread, which must end well, and return what it printed."""
        result = await asyncio.to_thread(self.run, *arguments)
        assert result.exit_code == 0, result.output
        return result.stdout.splitlines()


def replica_pod(name: str, phase: str = "Running", **metadata: object) -> dict[str, Any]:
    """Return the pod of a replica."""
    labels = {"app.kubernetes.io/name": "gpu-injector"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "gpu-injector", "labels": labels, **metadata},
        "status": {"phase": phase},
    }


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """Run two replicas with decisions of their own, behind an API server that wants a token."""
    hooks = {"one": webhook(), "two": webhook()}
    await decided(pod("first"), pod("odd", hostUsers=False), hook=hooks["one"])
    await decided(pod("second"), hook=hooks["two"])
    servers = {name: TestServer(Admin(hook.observer, replica()).decisions()) for name, hook in hooks.items()}
    async with FakeApi() as fake:
        fake.require_token(TOKEN)
        fake.put(*(replica_pod(name) for name in hooks), replica_pod("old", deletionTimestamp="2026-01-01T00:00:00Z"))
        fake.put(replica_pod("starting", "Pending"))
        for name, server in servers.items():
            await server.start_server()
            fake.forwards[name] = int(server.port or 0)
        yield World(fake, fake.kubeconfig(tmp_path, token=TOKEN), hooks)
        for server in servers.values():
            await server.close()


async def test_the_decisions_of_all_replicas_are_merged_by_time(world: World) -> None:
    """Without kubectl, with the rights and the token of the kubeconfig's user."""
    head, *rows = await world.lines()
    assert head.split() == ["TIME", "(UTC)", "NAMESPACE", "POD", "DECISION", "WARNING"]
    assert [row.split()[3] for row in rows] == ["first", "odd", "second"]
    assert rows[1].split(maxsplit=5)[4:] == [
        "leave/user-namespaces",
        "hostUsers: false cannot run under the NVIDIA runtime; pod left alone, it may see no GPU",
    ]
    found = json.loads("\n".join(await world.lines("-o", "json")))["decisions"]
    assert [(row["replica"], row["name"]) for row in found] == [("one", "first"), ("one", "odd"), ("two", "second")]


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["--attention"], ["odd"]),
        (["--verdict", "inject"], ["first", "second"]),
        (["--reason", "user-namespaces"], ["odd"]),
        (["-q", "SECOND"], ["second"]),
        (["-n", "web"], []),
    ],
)
async def test_the_filters_are_those_of_the_page(world: World, arguments: list[str], names: list[str]) -> None:
    """And applied by the replicas."""
    found = json.loads("\n".join(await world.lines("-o", "json", *arguments)))["decisions"]
    assert [row["name"] for row in found] == names


async def test_another_replica_may_have_resolved_a_warning(world: World) -> None:
    """Whichever replica decided last: the pod was created again and needs nothing."""
    assert len(await world.lines("--attention", "--verdict", "leave")) == 1 + 1
    await decided(pod("odd"), hook=world.hooks["two"])
    assert len(await world.lines("--attention", "--verdict", "leave")) == 1


async def test_a_trial_is_marked(world: World) -> None:
    """A server-side dry-run that a replica of this version answered."""
    hook = world.hooks["one"]
    async with TestClient(TestServer(hook.application())) as client:
        await client.post(WORKLOADS_PATH, json=review(pod("tried"), dryRun=True))
    (row,) = (line for line in await world.lines() if " tried " in line)
    assert row.endswith("inject/runtime-class (server dry-run)")


@pytest.mark.parametrize(("args", "port"), [([], 8081), (["--decisions-port=9081"], 9081)])
async def test_a_replica_that_cannot_be_asked_is_named(world: World, args: list[str], port: int) -> None:
    """What it decided is missing: exit code 3, and the others' decisions. It was asked on the port that it serves."""
    del world.fake.forwards["two"]
    world.fake.put({**replica_pod("two"), "spec": {"containers": [{"name": "webhook", "args": args}]}})
    result = await asyncio.to_thread(world.run, "-o", "json")
    assert result.exit_code == 3
    assert f"two: its decisions are missing: error forwarding port {port} to pod two: connection" in result.stderr
    assert [row["name"] for row in json.loads(result.stdout)["decisions"]] == ["first", "odd"]


@pytest.mark.parametrize(
    ("args", "port"),
    [(["serve"], 8443), (["serve", "--port=10250"], 10250), (["serve", "--port", "10250", "--admin-port=1"], 10250)],
)
def test_a_replica_serves_where_its_command_line_says(args: list[str], port: int) -> None:
    """On GKE the webhook's port is 10250 (docs/platforms); its certificate is looked at there."""
    assert port_of({"spec": {"containers": [{"name": "webhook", "args": args}]}}, "--port") == port


async def test_who_may_not_forward_is_told_so(world: World) -> None:
    """One line, and no token in it."""
    world.fake.fault(f"{PODS}/*", status=403)
    result = await asyncio.to_thread(world.run)
    assert result.exit_code == 3
    assert "one: its decisions are missing: Handshake status 403" in result.stderr
    assert len(result.stderr.splitlines()) == 2
    assert TOKEN not in result.output


@pytest.mark.parametrize(
    ("prepare", "why", "code"),
    [
        (lambda fake: fake.fault(PODS, status=403), "could not list the pods of namespace gpu-injector: fault", 3),
        (lambda fake: [fake.delete(f"{PODS}/{name}") for name in ("one", "two")], "no replica of gpu-injector runs", 2),
    ],
    ids=("no right to list", "no replica"),
)
async def test_without_replicas_the_command_says_why(
    world: World, prepare: Callable[[FakeApi], object], why: str, code: int
) -> None:
    """What could not be read is no empty answer."""
    prepare(world.fake)
    result = await asyncio.to_thread(world.run)
    assert (result.exit_code, why in result.stderr) == (code, True)


async def follow(
    world: World, monkeypatch: pytest.MonkeyPatch, in_pause: Callable[[int], Awaitable[None]], filters: Filters
) -> None:
    """Follow the decisions until a pause is cancelled; ``in_pause`` gets its number, from 1."""
    numbers = itertools.count(1)

    async def pause(_: float) -> None:
        await in_pause(next(numbers))

    monkeypatch.setattr(command, "_pause", pause)
    target = Target(Path(world.kubeconfig))
    options = command.Options(
        target=target, installed_in="gpu-injector", filters=filters, output="json", follow=True, web=False, port=0
    )
    async with api_server(target) as api:
        with pytest.raises(asyncio.CancelledError):
            await command.follow(Replicas(api, "gpu-injector"), options)


async def test_following_goes_on_with_what_is_new(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each decision once, one JSON line each; a replica that goes is reported once and does not end it."""

    async def in_pause(number: int) -> None:
        if number == 1:
            await decided(pod("third"), hook=world.hooks["two"])
        elif number == 2:
            del world.fake.forwards["one"]
        elif number == 4:
            raise asyncio.CancelledError

    await follow(world, monkeypatch, in_pause, Filters())
    told = capsys.readouterr()
    names = [json.loads(line)["name"] for line in told.out.splitlines()]
    assert names == ["first", "odd", "second", "third"]
    assert [line.partition(":")[0] for line in told.err.splitlines()] == ["one"]


async def test_following_outlives_a_failure_before_the_first_decision(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A quiet installation is rolled while a user waits for its first decision."""

    async def in_pause(number: int) -> None:
        if number == 1:
            world.fake.fault(PODS, status=500)
        elif number == 2:
            raise asyncio.CancelledError

    await follow(world, monkeypatch, in_pause, Filters(namespace="nowhere"))
    told = capsys.readouterr()
    assert (told.out, "could not list the pods of namespace gpu-injector" in told.err) == ("", True)


async def test_the_page_of_all_replicas(world: World) -> None:
    """Rendered for each request, on loopback, from the replicas' current answers."""
    target = Target(Path(world.kubeconfig))
    async with (
        api_server(target) as api,
        TestServer(Web(Replicas(api, "gpu-injector")).application()) as server,
        ClientSession() as user,
    ):
        async with user.get(server.make_url("/?q=first")) as answer:
            text = await answer.text()
        async with user.get(server.make_url("/"), headers={"Host": "evil.example"}) as refused:
            assert refused.status == 403
        world.fake.fault(PODS, status=403)
        async with user.get(server.make_url("/")) as failed:
            assert (failed.status, "could not list" in await failed.text()) == (502, True)
    assert "All 2 replicas" in text
    assert "1 of 3" in text
    assert "script-src 'sha256-" in answer.headers["Content-Security-Policy"]
