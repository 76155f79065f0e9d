"""The image, built by the project's own Dockerfile. There is no registry: its base is made from Debian's packages.

Both are kept outside the checkout, by what they are made from.
"""

import fcntl
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from e2e.binaries import BuildError, Report, cache_folder

ROOT = Path(__file__).parents[3]
FOLDER = cache_folder().with_name("images")
SUITE, PYTHON = "bookworm", "3.11"
PACKAGES = "python3,python3-venv"
IMAGE = "localhost/gpu-injector:dev"
BASE = f"localhost/debian-python:{SUITE}"
REQUIREMENTS = ("requirements/runtime.txt", "requirements/build.txt")
CONTEXT = ("Dockerfile", "pyproject.toml", "README.md", *REQUIREMENTS, "webhook", "certs", "deploy/examples")


class ImageError(BuildError):
    """The image could not be made; the message says what failed."""


@dataclass(frozen=True, slots=True)
class Built:
    """An image in an archive, with its size and that of its base, in bytes."""

    archive: Path
    size: int
    base_size: int


def build_image(report: Report) -> Built:
    """Return the image of this checkout, which is built if the cache has no build of the same files."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    archive = FOLDER / f"gpu-injector-{_digest_of_context()}.tar"
    # Written last. Measuring an image means copying it, which takes as long as many tests.
    sizes = archive.with_suffix(".json")
    with _alone(FOLDER / "lock"):
        if not sizes.exists():
            buildah = own_buildah()
            _make_base(buildah, report)
            _build(buildah, archive, report)
            sizes.write_text(json.dumps([buildah.size(IMAGE), buildah.size(BASE)]))
        return Built(archive, *json.loads(sizes.read_text()))


@dataclass(frozen=True, slots=True)
class Buildah:
    """buildah with a storage of its own, which needs no kernel module and no daemon."""

    storage: Path

    def run(self, *arguments: object) -> str:
        """Run buildah and return what it prints. Raises ImageError."""
        own = ("--storage-driver=vfs", f"--root={self.storage}", f"--runroot={self.storage}.run")
        return _run("buildah", *own, *arguments)

    def size(self, image: str) -> int:
        """Return the size of an image's file system, in bytes."""
        with self.mounted(image) as root:
            return sum(path.lstat().st_size for path in root.rglob("*") if not path.is_dir())

    @contextmanager
    def mounted(self, image: str) -> Iterator[Path]:
        """Give a copy of an image's file system, which goes when the context ends."""
        container = self.run("from", "--pull-never", image).strip()
        try:
            yield Path(self.run("mount", container).strip())
        finally:
            self.run("rm", container)


def own_buildah() -> Buildah:
    """Return buildah with the storage that the images are in."""
    return Buildah(FOLDER / "storage")


def _make_base(buildah: Buildah, report: Report) -> None:
    if BASE in buildah.run("images", "--format", "{{.Name}}:{{.Tag}}").split():
        return
    report(f"making an image of Debian's {SUITE} with Python; this takes minutes")
    with TemporaryDirectory(dir=FOLDER) as root:
        _run("debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, root)
        container = buildah.run("from", "scratch").strip()
        buildah.run("add", "--quiet", container, root, "/")
        buildah.run("commit", "--quiet", "--rm", "--timestamp=0", container, BASE)


def _build(buildah: Buildah, archive: Path, report: Report) -> None:
    report("building the image; this takes minutes")
    build_as(IMAGE, buildah)
    unfinished = archive.with_suffix(".unfinished")
    buildah.run("push", "--quiet", IMAGE, f"docker-archive:{unfinished}:{IMAGE}")
    unfinished.rename(archive)


def build_as(tag: str, buildah: Buildah) -> None:
    """Build this checkout's Dockerfile anew. Raises ImageError."""
    with TemporaryDirectory(dir=buildah.storage.parent) as wheels:
        requirements = [argument for name in REQUIREMENTS for argument in ("-r", ROOT / name)]
        only = ("--only-binary=:all:", f"--python-version={PYTHON}", "--require-hashes", "--quiet")
        _run(sys.executable, "-m", "pip", "download", *only, f"--dest={wheels}", *requirements)
        # The build reaches no registry, so that it does not matter how this machine reaches its own.
        arguments = (f"BASE_IMAGE={BASE}", "PIP_NO_INDEX=1", "PIP_FIND_LINKS=/wheelhouse")
        flags = [f"--build-arg={argument}" for argument in arguments]
        settings = ("--isolation=chroot", "--timestamp=0", f"--volume={wheels}:/wheelhouse:ro", f"--tag={tag}")
        buildah.run("bud", *settings, *flags, ROOT)


def _digest_of_context() -> str:
    digest = hashlib.sha256(f"{SUITE} {PACKAGES}".encode())
    for path in sorted(_context()):
        digest.update(str(path.relative_to(ROOT)).encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _context() -> Iterator[Path]:
    for name in CONTEXT:
        path = ROOT / name
        inside: Sequence[Path] = [path] if path.is_file() else list(path.rglob("*"))
        yield from (one for one in inside if one.is_file() and "__pycache__" not in one.parts)


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Let one builder in at a time; the kernel frees the lock of one that died."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _run(*command: object) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ImageError(f"{command[0]}: exit code {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout
