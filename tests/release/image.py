"""The OCI image of all platforms: the base and the environment of each, unpacked and put together without emulation."""

import platform
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from e2e.node.archive import ARCHITECTURES

from release.debian import PYTHON, base, python
from release.oci import Descriptor, Layer, Layout, layer_of
from release.programs import ReleaseError
from release.python_files import ENVIRONMENT, compiled, markers, python_environment
from release.sbom import bill, compare, components_of_image, installed_python
from release.source import Source

PLATFORMS = ("amd64", "arm64")
USER = "65532:65532"
TITLE = "gpu-injector"
DESCRIPTION = "Mutating admission webhook that gives the NVIDIA driver to GPU pods and to the device plugin"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class BuiltImage:
    """The image, the descriptor of its index, and the bill of materials of each platform."""

    layout: Layout
    index: Descriptor
    bills: Mapping[str, str]

    @property
    def digest(self) -> str:
        """Return the digest that names the image of all platforms."""
        name: str = self.index["digest"]
        return name


def this_machine() -> str:
    """Return the architecture of this machine, as images name it. Raises ReleaseError."""
    found = ARCHITECTURES.get(platform.machine())
    if found is None:
        raise ReleaseError(f"no image is built on {platform.machine()}: use one of {', '.join(ARCHITECTURES)}")
    return found


def build_image(source: Source, wheel: Path, work: Path, say: Say, platforms: Sequence[str]) -> BuiltImage:
    """Build the image of all platforms. Raises ReleaseError."""
    here = this_machine()
    roots = {architecture: (work / architecture / "base", work / architecture / "own") for architecture in platforms}
    # The image's own Python compiles the modules of all platforms: compiled code is the same on each.
    first = [here, *(one for one in platforms if one != here)]
    for architecture in first:
        say(f"unpacking Debian's packages and the wheels for {architecture}")
        lower, own = roots.get(architecture, (work / architecture / "base", work / architecture / "own"))
        base(architecture, lower, work)
        if architecture in platforms:
            python_environment(source, wheel, architecture, own)
    interpreter = python(work / here / "base", here)
    for lower, own in roots.values():
        compiled(lower, f"usr/lib/python{PYTHON}", interpreter)
        compiled(own, ENVIRONMENT, interpreter)
    layout, labels = Layout(), _labels(source)
    with ThreadPoolExecutor() as pool:
        layers = list(pool.map(layer_of, [root for pair in roots.values() for root in pair]))
    images = _images(layout, roots, layers, _settings(labels))
    index = layout.index(images, labels)
    return BuiltImage(layout, index, {one: _bill(source, one, roots[one]) for one in roots})


def _images(
    layout: Layout, roots: Mapping[str, tuple[Path, Path]], layers: Sequence[Layer], settings: Mapping[str, Any]
) -> list[Descriptor]:
    return [layout.image(one, layers[2 * at : 2 * at + 2], settings) for at, one in enumerate(roots)]


def _bill(source: Source, architecture: str, roots: tuple[Path, Path]) -> str:
    """Return the bill of materials of a platform, whose Python packages are the pinned ones. Raises ReleaseError."""
    lower, own = roots
    found = dict(installed_python(own))
    found.pop(TITLE)
    differing = compare(found, source.pinned(markers(architecture)), "pinned")
    if differing:
        raise ReleaseError(f"the image of {architecture} does not have what is pinned:\n" + "\n".join(differing))
    subject = {"type": "container"}
    return bill(source.version, f"image {architecture}", components_of_image(own, lower), subject)


def _labels(source: Source) -> Mapping[str, str]:
    prefix = "org.opencontainers.image"
    return {
        f"{prefix}.title": TITLE,
        f"{prefix}.description": DESCRIPTION,
        f"{prefix}.licenses": "Apache-2.0",
        f"{prefix}.version": source.version,
        f"{prefix}.revision": source.revision,
    }


def _settings(labels: Mapping[str, str]) -> Mapping[str, Any]:
    return {
        "User": USER,
        "Entrypoint": [f"/{ENVIRONMENT}/bin/gpu-injector"],
        "Cmd": ["serve"],
        "Env": [f"PATH=/{ENVIRONMENT}/bin:/usr/bin"],
        "WorkingDir": "/",
        "Labels": labels,
    }
