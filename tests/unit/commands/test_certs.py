"""`certs show` and `certs rotate`: over HTTP to the fake API server, and a real TLS look at a listener on loopback."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.certificate_secrets import EMPTY_SECRET, encode
from support.doc_blocks import assert_shown, blocks
from support.fake_api import FakeApi
from support.fake_replica import presenting
from support.fake_store import Json
from support.memory_api import MUTATING, SECRET, registration, service

from certs.certificate import fingerprint, write_certificates
from certs.rotation import Schedule
from certs.rotation_steps import create
from certs.secret_content import ROTATE_ANNOTATION, Rotation, SecretContent, write_content
from webhook.commands.certs import run as certs
from webhook.commands.shared.cluster import Target
from webhook.commands.shared.input_files import InputError
from webhook.names import MUTATING_ENTRIES, VALIDATING_ENTRIES

NAMES = ("gpu-injector.gpu-injector.svc", "127.0.0.1")
NOW = datetime.now(UTC)
OURS, OTHER = create(NAMES, NOW, Schedule()), create(NAMES, NOW, Schedule())


@pytest.fixture
async def fake() -> AsyncIterator[FakeApi]:
    """Serve an API that has our Secret."""
    async with FakeApi() as api:
        api.put(write_content(OURS, EMPTY_SECRET))
        yield api


@asynccontextmanager
async def replica(material: SecretContent) -> AsyncIterator[str]:
    """Present a leaf on loopback, and yield the URL of it."""
    async with presenting(material) as port:
        yield f"https://127.0.0.1:{port}/mutate/workloads"


def trusting(material: SecretContent, client: Json) -> Json:
    """Return a client that trusts these authorities."""
    return client | {"caBundle": encode(write_certificates(material.bundle))}


def options(fake: FakeApi, folder: Path, output: str = "table") -> certs.Options:
    """Return a command line that reaches the fake API server."""
    target = Target(Path(fake.kubeconfig(folder, token="secret")))  # noqa: S106 - of a fake
    return certs.Options(target=target, installed_in="gpu-injector", output=output)


async def show(fake: FakeApi, folder: Path, output: str = "table") -> int:
    """Run the command; it has a loop of its own."""
    return await asyncio.to_thread(certs.show, options(fake, folder, output))


async def test_what_is_served_registered_and_next_is_shown(
    fake: FakeApi, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The replica is asked over TLS; there is no problem."""
    async with replica(OURS) as url:
        fake.put(registration("Mutating", trusting(OURS, {"url": url})))
        assert await show(fake, tmp_path) == 0
    told = capsys.readouterr().out
    assert fingerprint(OURS.leaf.parse())[:12] in told
    assert fingerprint(OURS.bundle[0])[:12] in told
    assert "entry-0.gpu-injector.io" in told
    assert "Next: the next renewal is due at" in told


async def test_the_page_shows_what_is_printed(
    fake: FakeApi, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Dates, fingerprints and the replica's address differ; every other word of docs/certificates.md is printed."""
    async with replica(OURS) as url:
        for kind, names in (("Mutating", MUTATING_ENTRIES), ("Validating", VALIDATING_ENTRIES)):
            item = registration(kind, *(trusting(OURS, {"url": url}) for _ in names))
            for entry, name in zip(item["webhooks"], names, strict=True):
                entry["name"] = name
            fake.put(item)
        await show(fake, tmp_path)
    typed = "$ gpu-injector certs show"
    (block,) = (one for one in blocks() if one.document_name == "docs/certificates.md" and one.lines[0] == typed)
    real = iter([typed, *capsys.readouterr().out.splitlines()])
    assert_shown(list(block.lines), real, str(block), without_what_changes)


CHANGING = (
    (r"\b[0-9a-f]{12}\b", "FINGERPRINT"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\dZ", "DATE"),
    (r"in \d+ days", "in N days"),
    (r"pod gpu-injector-\S+|https://\S+", "REPLICA"),
    (r", 127\.0\.0\.1|127\.0\.0\.1, ", ""),
    (r" +", " "),
)


def without_what_changes(line: str) -> str:
    """Return a line of the output with words in place of what differs from run to run."""
    for pattern, word in CHANGING:
        line = re.sub(pattern, word, line)
    return line.strip()


async def test_json_has_every_fact(fake: FakeApi, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """For scripts: dates in ISO 8601, whole fingerprints, and no key."""
    async with replica(OURS) as url:
        fake.put(registration("Mutating", trusting(OURS, {"url": url})))
        assert await show(fake, tmp_path, "json") == 0
    told = capsys.readouterr().out
    found = json.loads(told)
    (presented,) = found["presented"]
    assert presented["fingerprint"] == found["report"]["leaf"]["fingerprint"] == fingerprint(OURS.leaf.parse())
    assert datetime.fromisoformat(presented["expires"]) == OURS.leaf.parse().not_valid_after_utc
    assert presented["refused_by"] == []
    assert "PRIVATE" not in told


async def test_a_replica_that_the_api_server_would_refuse_is_told(
    fake: FakeApi, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The Secret and the caBundle agree, and the replica presents something else."""
    async with replica(OTHER) as url:
        fake.put(registration("Mutating", trusting(OURS, {"url": url})))
        assert await show(fake, tmp_path) == 1
    assert "refused by entry-0.gpu-injector.io" in capsys.readouterr().out


async def test_a_cleared_ca_bundle_is_told(fake: FakeApi, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The entry trusts no CA, so it accepts no certificate."""
    async with replica(OURS) as url:
        fake.put(registration("Mutating", {"url": url}))
        assert await show(fake, tmp_path) == 1
    assert "no CA" in capsys.readouterr().out


async def test_replicas_that_cannot_be_reached_are_told(
    fake: FakeApi, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No pod runs, or the port of a URL is closed: what the Secret says is all that is known."""
    gone = {"url": "https://127.0.0.1:1/mutate/workloads"}
    fake.put(registration("Mutating", trusting(OURS, gone), trusting(OURS, service())))
    assert await show(fake, tmp_path) == 0
    told = capsys.readouterr().out
    assert "not reached" in told
    assert "no replica of gpu-injector runs" in told


async def test_without_anything_there_is_nothing_sound(
    fake: FakeApi, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither Secret nor registration."""
    fake.delete(SECRET)
    assert await show(fake, tmp_path) == 1
    told = capsys.readouterr().out
    assert "No certificate: the Secret is absent." in told
    assert "No registration has an entry of this installation." in told


@pytest.mark.parametrize("rotation", ["graceful", "revoke"])
async def test_a_rotation_is_asked_for_and_what_follows_is_told(
    rotation: Rotation, fake: FakeApi, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The annotation is all that is written; replicas do the rest."""
    fake.put(registration("Mutating", trusting(OURS, service())))
    assert await asyncio.to_thread(certs.rotate, options(fake, tmp_path), rotation) == 0
    assert fake.get(SECRET)["metadata"]["annotations"][ROTATE_ANNOTATION] == rotation
    told = capsys.readouterr().out
    assert "Within a minute the Secret and every caBundle contain a new CA" in told
    assert ("worthless" in told) == (rotation == "revoke")
    assert await asyncio.to_thread(certs.rotate, options(fake, tmp_path, "json"), rotation) == 0
    assert json.loads(capsys.readouterr().out)["report"]["next_step"]["reason"] == "asked"


@pytest.mark.parametrize(
    ("annotation", "namespace", "why"),
    [("ours/certificate", "gpu-injector", "cert-manager keeps"), ("", "elsewhere", "no replica would rotate")],
)
async def test_a_rotation_that_nobody_would_begin_is_refused(
    annotation: str,
    namespace: str,
    why: str,
    fake: FakeApi,
    tmp_path: Path,
) -> None:
    """Nothing is written then."""
    item = registration("Mutating", trusting(OURS, service(namespace)))
    if annotation:
        item["metadata"]["annotations"] = {"cert-manager.io/inject-ca-from": annotation}
    fake.put(item)
    with pytest.raises(InputError, match=why):
        await asyncio.to_thread(certs.rotate, options(fake, tmp_path), "graceful")
    assert ROTATE_ANNOTATION not in fake.get(SECRET)["metadata"]["annotations"]


async def test_a_certificate_of_cert_managers_is_sound_without_a_secret_of_ours(
    fake: FakeApi, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is presented and accepted is what counts; the next step is not ours."""
    async with replica(OURS) as url:
        item = registration("Mutating", trusting(OURS, {"url": url}))
        item["metadata"]["annotations"] = {"cert-manager.io/inject-ca-from": "ours/certificate"}
        fake.put(item)
        assert await show(fake, tmp_path) == 0
    assert "cert-manager renews the certificate" in capsys.readouterr().out


def replica_with(*arguments: str) -> Json:
    """Return the pod of a running replica with these arguments."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "replica",
            "namespace": "gpu-injector",
            "labels": {"app.kubernetes.io/name": "gpu-injector"},
        },
        "spec": {"containers": [{"name": "webhook", "args": ["serve", *arguments]}]},
        "status": {"phase": "Running"},
    }


@pytest.mark.parametrize("arguments", [["--cert-dir=/tls"], ["--port=1", "--cert-dir", "/tls", "--tls-name=x"]])
async def test_mounted_files_are_nobodys_next_step_here(
    arguments: list[str], fake: FakeApi, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without cert-manager, too: what is presented counts, not the Secret, and no replica would rotate."""
    fake.put(replica_with(*arguments))
    async with replica(OTHER) as url:
        fake.put(registration("Mutating", trusting(OTHER, {"url": url})))
        assert await show(fake, tmp_path) == 0
    told = capsys.readouterr().out
    assert "Next: the tool that writes the files in /tls renews them and writes the caBundle (files)" in told
    with pytest.raises(InputError, match="serve the files of /tls"):
        await asyncio.to_thread(certs.rotate, options(fake, tmp_path), "graceful")


@pytest.mark.parametrize(
    ("argument", "end"),
    [
        ("--port=1", "Next: create: the Secret is absent. A replica does it within a minute"),
        ("--cert-dir=/tls", "Next: the tool that writes the files in /tls renews them and writes the caBundle (files)"),
    ],
)
async def test_an_absent_secret_is_made_by_those_who_keep_one(
    argument: str, end: str, fake: FakeApi, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The next step is what the replicas do next; no replica was reached, so the result is not sound."""
    fake.delete(SECRET)
    fake.put(replica_with(argument), registration("Mutating", trusting(OURS, service())))
    assert await show(fake, tmp_path) == 1
    told = capsys.readouterr().out.splitlines()
    assert told[-1] == end
    assert ("No certificate: the Secret is absent." in told) == ("create" in end)


async def test_a_missing_right_is_an_error(fake: FakeApi, tmp_path: Path) -> None:
    """With the request that was refused."""
    fake.fault(MUTATING, status=403, body={"kind": "Status", "reason": "Forbidden"})
    with pytest.raises(InputError, match="403 Forbidden"):
        await show(fake, tmp_path)
