"""Whether two builds of one checkout are the same image: `make image-twice`.

Everything that the Dockerfile adds to its base is compared, file by file, and then the images as a whole, times and
permissions included. Nothing is left out.
"""

import hashlib
import sys
from collections.abc import Mapping
from pathlib import Path

import click

from e2e.installed.image import IMAGE, Buildah, build_as, build_image, own_buildah

TAGS = (f"{IMAGE}-first", f"{IMAGE}-second")
ADDED = "opt/venv"


def main() -> int:
    """Build the image twice; print what differs, and return the exit code."""
    build_image(click.echo)  # which makes the base
    buildah = own_buildah()
    for tag in TAGS:
        click.echo(f"building {tag}")
        build_as(tag, buildah)
    first, second = (files(buildah, tag) for tag in TAGS)
    differing = sorted(path for path in first.keys() | second.keys() if first.get(path) != second.get(path))
    for path in differing:
        click.echo(f"differs: {path}")
    ids = [buildah.run("images", "--no-trunc", "--format={{.ID}}", tag).split()[0] for tag in TAGS]
    click.echo(f"{len(first)} files below /{ADDED}, {len(differing)} of them differ; image IDs:")
    click.echo("\n".join(ids))
    return int(bool(differing) or ids[0] != ids[1])


def files(buildah: Buildah, image: str) -> Mapping[str, str]:
    """Return what an image adds to its base: a digest of each file's content, by path."""
    with buildah.mounted(image) as root:
        added = [path for path in (root / ADDED).rglob("*") if path.is_file() and not path.is_symlink()]
        return {str(path.relative_to(root)): _digest(path) for path in added}


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
