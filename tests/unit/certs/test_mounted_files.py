"""The source `files`: a mounted pair, reloaded when it changes, refused while it does not match."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from certs.certificate import KeyPair, write_certificates
from certs.mounted_files import MountedFiles
from certs.rotation import Schedule
from certs.rotation_steps import create
from webhook.kube_client.clock import Clock

NAMES = ("gpu-injector.gpu-injector.svc", "127.0.0.1")
NOW = datetime.now(UTC)
OLD, NEW = create(NAMES, NOW, Schedule()), create(NAMES, NOW, Schedule())


def write_pair(folder: Path, pair: KeyPair, authority: bytes = b"") -> None:
    """Write a pair as a mounted Secret shows it."""
    for name, content in (("tls.crt", pair.certificate), ("tls.key", pair.key), ("ca.crt", authority)):
        (folder / name).write_bytes(content)


class Files:
    """A source of files in a folder, and what it reported."""

    def __init__(self, folder: Path, now: datetime = NOW) -> None:
        self.events: list[tuple[str, object]] = []
        self.now = now
        clock = Clock(now=lambda: self.now)
        self.source = MountedFiles(folder, NAMES[:1], on_change=self._note, clock=clock)

    def _note(self, event: str, /, **facts: object) -> None:
        self.events.append((event, facts.get("reason")))


def test_a_mounted_pair_is_served_and_reloaded_when_it_changes(tmp_path: Path) -> None:
    """cert-manager writes the next pair into the same Secret."""
    files = Files(tmp_path)
    write_pair(tmp_path, OLD.leaf, write_certificates(OLD.bundle))
    for _ in range(2):
        files.source.reload()
    write_pair(tmp_path, NEW.leaf)
    files.source.reload()
    assert files.source.tls.leaf == NEW.leaf
    assert [event for event, _ in files.events].count("leaf-served") == 2
    assert files.source.status.ready


def test_the_mounted_authoritys_expiry_is_known_where_it_is_mounted_too(tmp_path: Path) -> None:
    """cert-manager adds the authority to the Secret; other tools may not."""
    files = Files(tmp_path)
    write_pair(tmp_path, OLD.leaf, write_certificates(OLD.bundle))
    files.source.reload()
    assert files.source.status.leaf_expires == OLD.leaf.parse().not_valid_after_utc
    assert files.source.status.authority_expires == OLD.bundle[0].not_valid_after_utc
    (tmp_path / "ca.crt").unlink()
    files.source.reload()
    assert files.source.status.authority_expires is None


def test_a_torn_pair_in_files_is_refused_until_it_is_whole(tmp_path: Path) -> None:
    """The certificate was read before, and the key after, the mount changed."""
    files = Files(tmp_path)
    write_pair(tmp_path, OLD.leaf)
    files.source.reload()
    (tmp_path / "tls.crt").write_bytes(NEW.leaf.certificate)
    for _ in range(2):
        files.source.reload()
    assert files.source.tls.leaf == OLD.leaf
    assert files.events.count(("leaf-unusable", "the private key belongs to another certificate")) == 1
    (tmp_path / "tls.key").write_bytes(NEW.leaf.key)
    files.source.reload()
    assert files.source.tls.leaf == NEW.leaf


def test_a_missing_file_is_told_without_its_folders_content(tmp_path: Path) -> None:
    """Before the first pair there is nothing to serve."""
    files = Files(tmp_path)
    files.source.reload()
    assert files.events == [("leaf-unusable", "tls.crt: No such file or directory")]
    assert not files.source.status.ready


@pytest.mark.parametrize(
    ("names", "later", "event"),
    [
        (("elsewhere.example",), timedelta(), "leaf-names-missing"),
        (NAMES, timedelta(days=91), "leaf-expired"),
        (NAMES, timedelta(), "leaf-good"),
    ],
)
def test_a_mounted_leaf_that_will_be_refused_is_told(
    names: tuple[str, ...], later: timedelta, event: str, tmp_path: Path
) -> None:
    """It is served anyway: every replica has the same pair, and no better one."""
    files = Files(tmp_path, NOW + later)
    write_pair(tmp_path, create(names, NOW, Schedule()).leaf)
    files.source.reload()
    assert files.events[-1][0] == event
    assert files.source.status.ready


async def test_files_are_read_repeatedly(tmp_path: Path) -> None:
    """At once, then every ten seconds, plus or minus a tenth."""
    pauses: list[float] = []
    enough = asyncio.Event()

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            enough.set()
            await asyncio.Event().wait()

    def unheard(_event: str, /, **_facts: object) -> None:
        """Ignore the event."""

    clock = Clock(now=lambda: NOW, sleep=sleep, uniform=lambda low, high: low + (high - low) / 4)
    source = MountedFiles(tmp_path, NAMES, on_change=unheard, clock=clock)
    write_pair(tmp_path, OLD.leaf)
    running = asyncio.create_task(source.run())
    await enough.wait()
    source.stop()
    running.cancel()
    assert pauses == [pytest.approx(9.5)] * 3
    assert source.tls.leaf == OLD.leaf
