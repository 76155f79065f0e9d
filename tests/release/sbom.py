"""Bills of materials of the wheel and of each platform's image, as CycloneDX 1.6.

An image's is read from the image's files, so that it says what is in there. `compare` holds it against the pins.
https://cyclonedx.org/docs/1.6/json/
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from email.parser import HeaderParser
from importlib.metadata import PathDistribution
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from release.debian import RELEASE, STATUS, Package
from release.python_files import SITE_PACKAGES
from release.source import normalised

NAME = "gpu-injector"
Component = dict[str, Any]


def bill(version: str, kind: str, components: Sequence[Component], subject: Mapping[str, Any]) -> str:
    """Return a bill of materials. Equal content has the same serial number: there is no time in it."""
    ordered = sorted(components, key=lambda component: component["bom-ref"])
    main = {"bom-ref": f"{NAME}@{version}", "name": NAME, "version": version, **subject}
    content = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": main, "tools": {"components": [{"type": "application", "name": "make release"}]}},
        "components": ordered,
        "dependencies": [
            {"ref": main["bom-ref"], "dependsOn": [component["bom-ref"] for component in ordered]},
            *({"ref": component["bom-ref"]} for component in ordered),
        ],
    }
    serial = uuid5(NAMESPACE_URL, f"{kind} {json.dumps(content, sort_keys=True)}")
    return json.dumps({**content, "serialNumber": f"urn:uuid:{serial}"}, indent=1, sort_keys=True) + "\n"


def python_component(name: str, version: str) -> Component:
    """Return a package of PyPI."""
    reference = f"pkg:pypi/{normalised(name)}@{version}"
    return {"type": "library", "bom-ref": reference, "name": normalised(name), "version": version, "purl": reference}


def debian_component(package: Package) -> Component:
    """Return a package of Debian."""
    version = package.version.replace(":", "%3A").replace("+", "%2B")
    reference = f"pkg:deb/debian/{package.name}@{version}?arch={package.architecture}&distro=debian-{RELEASE}"
    return {
        "type": "library",
        "bom-ref": reference,
        "name": package.name,
        "version": package.version,
        "purl": reference,
    }


def installed_python(root: Path) -> Mapping[str, str]:
    """Return the versions of the Python packages in an image's files, by normalised name."""
    folders = sorted((root / SITE_PACKAGES).glob("*.dist-info"))
    found = [PathDistribution(folder).metadata for folder in folders]
    return {normalised(metadata["Name"]): metadata["Version"] for metadata in found}


def installed_debian(root: Path) -> Iterator[Package]:
    """Yield Debian's packages in an image's files."""
    for path in sorted((root / STATUS).iterdir()):
        if path.suffix != ".list":
            fields = HeaderParser().parsestr(path.read_text())
            yield Package(fields["Package"], fields["Version"], fields["Architecture"])


def components_of_image(environment: Path, base: Path) -> list[Component]:
    """Return all components in the files of an image's two layers, except ours."""
    found = installed_python(environment)
    python = [python_component(name, version) for name, version in found.items() if name != NAME]
    return [*python, *map(debian_component, installed_debian(base))]


def versions(components: Iterable[Component]) -> Mapping[str, str]:
    """Return the versions of components; Debian and PyPI have packages of the same name."""
    return {one["purl"].partition("@")[0]: one["version"] for one in components}


def compare(found: Mapping[str, str], expected: Mapping[str, str], word: str) -> list[str]:
    """Return what differs between two sets of packages, one line for each; ``word`` says what is expected."""
    names = sorted(found.keys() | expected.keys())
    return [
        f"{name}: {found.get(name, 'missing')}, but {word} is {expected.get(name, 'nothing')}"
        for name in names
        if found.get(name) != expected.get(name)
    ]
