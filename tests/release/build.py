"""Builds everything that a release consists of into one folder."""

import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from e2e.binaries import build as build_program
from e2e.helm import Helm
from e2e.node.programs import HELM

from release.chart import build_chart
from release.image import PLATFORMS, Say, build_image, this_machine
from release.sbom import bill, python_component
from release.source import Source
from release.wheels import build_twice

SUMMARY = "release.json"
NOTES = "release-notes.md"


def build_release(
    source: Source, output: Path, say: Say, *, repository: str, platforms: Sequence[str] = PLATFORMS
) -> None:
    """Build a release into a folder, which is emptied. Raises ReleaseError and BuildError."""
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="gpu-injector-release-") as temporary:
        work = Path(temporary)
        name = f"gpu-injector-{source.version}"
        say("building the wheel and the sdist, twice")
        wheel, _ = build_twice(source, output, work)
        image = build_image(source, wheel, work, say, platforms)
        image.layout.write(output / f"{name}-image.tar", image.index, source.version)
        say("packing the chart")
        helm = Helm(build_program(HELM, say), work / "helm")
        build_chart(source, helm, (repository, image.digest), output, work)
    for architecture, text in image.bills.items():
        (output / f"{name}-image-{architecture}.cdx.json").write_text(text)
    (output / f"{name}-wheel.cdx.json").write_text(bill_of_wheel(source))
    summary = _summary(source, f"{repository}@{image.digest}", platforms)
    (output / SUMMARY).write_text(json.dumps(summary, indent=2) + "\n")
    (output / NOTES).write_text(source.notes() + _what_was_run(platforms))


def bill_of_wheel(source: Source) -> str:
    """Return the bill of materials of what `pip install` with the pinned requirements installs, on any platform."""
    components = [python_component(name, version) for name, version in source.pinned_anywhere().items()]
    subject = {"type": "library", "purl": f"pkg:pypi/gpu-injector@{source.version}"}
    return bill(source.version, "wheel", components, subject)


def _summary(source: Source, image: str, platforms: Sequence[str]) -> dict[str, object]:
    run = this_machine()
    return {
        "version": source.version,
        "revision": source.revision,
        "image": image,
        "platforms": {one: "run by make verify-release" if one == run else "only built" for one in platforms},
    }


def _what_was_run(platforms: Sequence[str]) -> str:
    """Return the part of the release notes that says what was tried before the release."""
    run = this_machine()
    built = [one for one in platforms if one != run]
    lines = ["", "## What was run", "", f"- `make verify-release` runs the image of {run} in a cluster."]
    lines += [f"- The image of {one} was built, but not run: no machine of that kind took part." for one in built]
    return "\n".join([*lines, ""])
