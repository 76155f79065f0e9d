"""The releases that the tests install: of this checkout, and the one before it, both built as `make release` does.

They are kept outside the checkout, by what they are made from.
"""

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from release.build import SUMMARY, build_release
from release.image import this_machine
from release.programs import ReleaseError
from release.source import ROOT, Source, checkout, exported

from e2e.binaries import BuildError, Report, cache_folder

# The code of 25 November 2026, which is 0.1.0.
PREVIOUS = "dd634ec7d38e05ba34120b46f4844238988dd108"
FOLDER = cache_folder().with_name("releases")
# `make verify-release` names the folder of the release that it verifies.
DIST = "GPU_INJECTOR_DIST"


@dataclass(frozen=True, slots=True)
class Release:
    """The folder of a release, its version and the digest of its image."""

    folder: Path

    @property
    def version(self) -> str:
        """Return the version."""
        return str(self._summary["version"])

    @property
    def digest(self) -> str:
        """Return the digest of the image's index."""
        return self._summary["image"].partition("@")[2]

    @property
    def repository(self) -> str:
        """Return where the manifest and the chart expect the image."""
        return self._summary["image"].partition("@")[0]

    @property
    def chart(self) -> Path:
        """Return the chart's archive."""
        return self.folder / f"gpu-injector-{self.version}.tgz"

    @property
    def image(self) -> Path:
        """Return the image's archive."""
        return self.folder / f"gpu-injector-{self.version}-image.tar"

    @property
    def manifest(self) -> str:
        """Return install.yaml."""
        return (self.folder / "install.yaml").read_text()

    @property
    def _summary(self) -> dict[str, str]:
        content: dict[str, str] = json.loads((self.folder / SUMMARY).read_text())
        return content


def current(report: Report) -> Release:
    """Return the release of this checkout: of `make verify-release`, or built for this machine. Raises BuildError."""
    given = os.environ.get(DIST)
    return Release(Path(given).resolve()) if given else _built("current", checkout, report)


def previous(report: Report) -> Release:
    """Return the release before this one. Raises BuildError, also if the clone has no history."""
    return _built("previous", lambda folder: exported(PREVIOUS, folder), report)


def _built(name: str, write: Callable[[Path], Source], report: Report) -> Release:
    folder = FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder / "lock"), tempfile.TemporaryDirectory(prefix="gpu-injector-source-") as temporary:
        try:
            source = write(Path(temporary) / "source")
            digest = _digest_of(source)
            output = folder / digest
            if not (output / SUMMARY).exists():
                # One is kept: each is large.
                for former in (path for path in folder.iterdir() if path.is_dir()):
                    shutil.rmtree(former)
                report(f"building the release {source.version}; this takes a minute")
                unfinished = folder / "unfinished"
                build_release(source, unfinished, report, repository="gpu-injector", platforms=(this_machine(),))
                unfinished.rename(output)
        except ReleaseError as error:
            raise BuildError(
                f"the release could not be built (a shallow clone? git fetch --unshallow): {error}"
            ) from error
        return Release(output)


def _digest_of(source: Source) -> str:
    """Hash what goes into a release, and the code that builds it."""
    digest = hashlib.sha256()
    ours = ("webhook", "certs", "deploy", "requirements/runtime.txt", "pyproject.toml", "README.md", "CHANGELOG.md")
    inputs = [(source.root, name) for name in ours] + [(ROOT, "tests/release"), (ROOT, "tests/e2e/helm.py")]
    for root, name in inputs:
        path = root / name
        for file in sorted([path] if path.is_file() else path.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                digest.update(f"{file.relative_to(root)}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Let one builder in at a time; the kernel frees the lock of one that died."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
