"""The command line of releases: `make release` and `make verify-release`."""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from e2e.binaries import BuildError
from e2e.binaries import build as build_program
from e2e.node.programs import HELM

from release.build import build_release
from release.programs import ReleaseError, run
from release.publish import CRANE, Publisher
from release.signing import PUBLIC_KEY, load_key, make_key, sign
from release.source import ROOT, Source, checkout, exported
from release.verify import problems

OUTPUT = ROOT / "dist"
# For releases that are not published: of tests, and of a developer who tries the command.
OWN_KEY = ROOT / "build" / "release.key"


@click.group()
def main() -> None:
    """Build and verify a release."""


@main.command()
@click.option("--key", type=click.Path(path_type=Path), help="PEM file of the ECDSA P-256 key that signs.")
@click.option("--repository", default="gpu-injector", show_default=True, help="Where the image will be pushed to.")
@click.option("--revision", help="Release this commit, not the checkout.")
@click.option("--tag", help="Fail unless this is the tag of the version, and the changelog has a section for it.")
@click.option("--output", default=OUTPUT, type=click.Path(path_type=Path), help="The folder, which is emptied.")
def build(key: Path | None, repository: str, revision: str | None, tag: str | None, output: Path) -> None:
    """Build the release."""
    if key is None:
        key = OWN_KEY
        click.echo(f"no KEY is given: signing with {key}, which is only for tests", err=True)
        if not key.exists():
            make_key(key)
    with tempfile.TemporaryDirectory(prefix="gpu-injector-source-") as temporary, _shown():
        folder = Path(temporary) / "source"
        source: Source = exported(revision, folder) if revision else checkout(folder)
        if tag is not None:
            source.check_tag(tag)
        build_release(source, output, click.echo, repository=repository)
        sign(output, load_key(key))
        click.echo(f"{output} has version {source.version} of {source.revision}")


@main.command()
@click.option("--registry", required=True, help="HOST/OWNER, to which /gpu-injector and /charts are added.")
@click.option("--output", default=OUTPUT, type=click.Path(path_type=Path), help="The folder of the release.")
def publish(registry: str, output: Path) -> None:
    """Push the image and the chart."""
    with tempfile.TemporaryDirectory(prefix="gpu-injector-publish-") as temporary, _shown():
        crane, helm = (build_program(program, click.echo) for program in (CRANE, HELM))
        publisher = Publisher(crane, helm, run, registry)
        publisher.log_in()
        publisher.push(output, Path(temporary) / "layout")


@main.command()
@click.option("--public-key", type=click.Path(path_type=Path), help="The key that the release must be signed with.")
@click.option("--output", default=OUTPUT, type=click.Path(path_type=Path), help="The folder of the release.")
def verify(public_key: Path | None, output: Path) -> None:
    """Verify the release's files; the part with a cluster is a test of tests/e2e."""
    with _shown():
        found = list(problems(output, public_key or output / PUBLIC_KEY, click.echo))
    for line in found:
        click.echo(line, err=True)
    sys.exit(1 if found else 0)


@contextmanager
def _shown() -> Iterator[None]:
    """Turn what a person can act on into one message and exit code 1."""
    try:
        yield
    except (ReleaseError, BuildError) as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
