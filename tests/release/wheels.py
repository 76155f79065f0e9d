"""The wheel and the sdist, built twice: both builds must be the same, byte for byte."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from release.programs import ReleaseError, run
from release.source import Source


def build_twice(source: Source, output: Path, work: Path) -> tuple[Path, Path]:
    """Return the wheel and the sdist in a folder. Raises ReleaseError if two builds differ."""
    first = _build(source.root, output)
    second = _build(source.root, work / "second")
    for one, other in zip(first, second, strict=True):
        if one.name != other.name or one.read_bytes() != other.read_bytes():
            raise ReleaseError(f"{one.name}: the second build differs from the first")
    wheel, sdist = first
    return wheel, sdist


def from_sdist(sdist: Path, work: Path) -> Path:
    """Return the wheel that a user builds from the sdist."""
    work.mkdir(parents=True)
    run("tar", "-xzf", sdist, "-C", work)
    (folder,) = (path for path in work.iterdir() if path.is_dir())
    return _build(folder, work / "wheel")[0]


def _build(root: Path, output: Path) -> Sequence[Path]:
    output.mkdir(parents=True, exist_ok=True)
    command = (
        Path(sys.executable).with_name("hatchling"),
        "build",
        "-t",
        "sdist",
        "-t",
        "wheel",
        "-d",
        output.resolve(),
    )
    environment = {name: value for name, value in os.environ.items() if name != "SOURCE_DATE_EPOCH"}
    run(*command, cwd=root, environment=environment)
    (wheel,), (sdist,) = output.glob("*.whl"), output.glob("*.tar.gz")
    return wheel, sdist
