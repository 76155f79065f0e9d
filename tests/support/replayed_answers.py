"""The answers of the fake API server, recorded once and replayed without a socket: one of them may be a bad one."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from support.fake_api import FakeApi
from webhook.__main__ import main
from webhook.commands.shared import replica_certificates, replica_port_forward
from webhook.kube_client.answer import Answer
from webhook.kube_client.session import Session

Key = tuple[str, str]
NOT_FOUND = b'{"kind": "Status", "reason": "NotFound", "code": 404}'


@dataclass
class Replayed:
    """The answers by method and path; ``bad`` takes the place of one of them."""

    kubeconfig: str
    answers: Mapping[Key, Answer] = field(default_factory=dict)
    bad: dict[Key, tuple[int, bytes]] = field(default_factory=dict)

    async def exchange(self, _session: object, method: str, path: str, **_: object) -> Answer:
        """Answer as the fake API server did, or badly."""
        key = (method, path.partition("?")[0])
        if key in self.bad:
            return Answer(f"{method} {key[1]}", *self.bad[key])
        return self.answers.get((method, path)) or self.answers.get(key) or Answer(f"{method} {path}", 404, NOT_FOUND)

    def run(self, *command: str) -> Result:
        """Run a command."""
        return CliRunner().invoke(main, [*command, "--kubeconfig", self.kubeconfig])

    def run_with(self, key: Key, status: int, body: bytes, *command: str) -> Result:
        """Run a command where one path is answered badly."""
        self.bad[key] = (status, body)
        try:
            return self.run(*command)
        finally:
            del self.bad[key]


async def record(api: FakeApi, folder: Path, commands: Mapping[str, list[str]]) -> tuple[Replayed, dict[str, set[Key]]]:
    """Run commands on the fake API server; return their answers, and the paths that each command reads."""
    kubeconfig = api.kubeconfig(folder)
    answers: dict[Key, Answer] = {}
    paths: dict[str, set[Key]] = {}
    exchange = Session.exchange
    with pytest.MonkeyPatch.context() as patched:
        for name, command in commands.items():
            seen: set[Key] = paths.setdefault(name, set())

            async def recording(
                session: Session, method: str, path: str, _seen: set[Key] = seen, **options: object
            ) -> Answer:
                answer: Answer = await exchange(session, method, path, **options)  # type: ignore[arg-type]
                answers[method, path] = answers[method, path.partition("?")[0]] = answer
                _seen.add((method, path.partition("?")[0]))
                return answer

            patched.setattr(Session, "exchange", recording)
            await asyncio.to_thread(CliRunner().invoke, main, [*command, "--kubeconfig", kubeconfig])
    return Replayed(kubeconfig, answers), paths


def replaying(patch: pytest.MonkeyPatch, replayed: Replayed) -> None:
    """Answer every request from memory; no replica can be reached."""

    async def exchange(session: Session, method: str, path: str, **options: object) -> Answer:
        return await replayed.exchange(session, method, path, **options)

    patch.setattr(Session, "exchange", exchange)
    for module in (replica_port_forward, replica_certificates):
        patch.setattr(module, "forward", unreachable)


def unreachable(*_: object) -> None:
    """Refuse every connection to a replica."""
    raise replica_port_forward.UnreachableError("no socket here")
