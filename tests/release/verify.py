"""Verifies the files of a release as a user would: reads each back, and holds it against the others.

The part with a cluster is tests/e2e/installed/test_release.py.
"""

import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from release.build import NOTES, SUMMARY
from release.chart import DIGEST
from release.debian import STATUS
from release.oci import digest
from release.programs import ReleaseError, run
from release.python_files import ENVIRONMENT, SITE_PACKAGES
from release.sbom import NAME, compare, components_of_image, installed_python, versions
from release.signing import wrong_signatures
from release.wheels import from_sdist

Say = Callable[[str], None]
# What belongs to no package: written by the release itself.
OURS = {
    "bin",
    "sbin",
    "lib",
    "lib64",
    "etc/passwd",
    "etc/group",
    "etc/nsswitch.conf",
    f"{ENVIRONMENT}/pyvenv.cfg",
    f"{ENVIRONMENT}/bin/python3",
    f"{ENVIRONMENT}/bin/gpu-injector",
}
INSTALLER_FILES = {"INSTALLER", "RECORD", "REQUESTED"}


def problems(folder: Path, public_key: Path, say: Say) -> Iterator[str]:
    """Yield everything that is wrong with a release, one line each. Raises ReleaseError."""
    summary = json.loads((folder / SUMMARY).read_text())
    say(f"verifying version {summary['version']} in {folder}")
    yield from wrong_signatures(folder, public_key)
    yield from _by_openssl(folder / SUMMARY, public_key)
    with tempfile.TemporaryDirectory(prefix="gpu-injector-verify-") as temporary:
        work = Path(temporary)
        say("installing the wheel as a tool, and building it from the sdist")
        yield from _wheel(folder, summary["version"], work)
        say("reading the image, and comparing it with its bills of materials")
        yield from image_problems(folder, summary, work)
    yield from _deployed(folder, summary)
    if not (folder / NOTES).read_text().startswith(f"# gpu-injector {summary['version']}\n"):
        yield f"{NOTES}: not of version {summary['version']}"


def _by_openssl(path: Path, public_key: Path) -> Iterator[str]:
    """Verify a signature with the command of docs/releasing.md, too."""
    script = 'openssl base64 -d -A -in "$1.sig" -out "$3" && openssl dgst -sha256 -verify "$2" -signature "$3" "$1"'
    with tempfile.NamedTemporaryFile() as plain:
        command = ("sh", "-c", script, "sh", path, public_key, plain.name)
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    if "Verified OK" not in done.stdout:
        yield f"{path.name}: openssl refuses the signature: {done.stdout}{done.stderr}"


def _wheel(folder: Path, version: str, work: Path) -> Iterator[str]:
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    if from_sdist(sdist, work / "sdist").read_bytes() != wheel.read_bytes():
        yield f"{sdist.name}: the wheel that is built from it differs from {wheel.name}"
    said = run(install_tool(wheel, work / "tool"), "--version")
    if version not in said:
        yield f"{wheel.name}: the installed program says {said.strip()}, not {version}"


def install_tool(wheel: Path, folder: Path) -> Path:
    """Install a wheel as `uv tool install` does, and return its program."""
    uv = Path(sys.executable).with_name("uv")
    environment = {
        **_without_environment(),
        "UV_TOOL_DIR": str(folder / "tools"),
        "UV_TOOL_BIN_DIR": str(folder / "bin"),
    }
    run(uv, "tool", "install", "--quiet", f"--python={sys.executable}", wheel, environment=environment)
    return folder / "bin" / NAME


def _without_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}


def image_problems(folder: Path, summary: Mapping[str, Any], work: Path) -> Iterator[str]:
    """Yield what is wrong with the image's archive, and where it differs from its bills of materials."""
    layout = work / "layout"
    layout.mkdir()
    with tarfile.open(folder / f"{NAME}-{summary['version']}-image.tar") as archive:
        archive.extractall(layout, filter="data")
    top = json.loads((layout / "index.json").read_text())["manifests"][0]
    if not summary["image"].endswith(f"@{top['digest']}"):
        yield f"{SUMMARY}: the image is {summary['image']}, but the archive has {top['digest']}"
    index = _blob(layout, top)
    for descriptor in index["manifests"]:
        architecture = descriptor["platform"]["architecture"]
        manifest = _blob(layout, descriptor)
        _blob(layout, manifest["config"])
        root = work / architecture
        root.mkdir()
        for layer in manifest["layers"]:
            _check(layout, layer)
            run("tar", "-xzf", _path(layout, layer), "-C", root)
        bill = json.loads((folder / f"{NAME}-{summary['version']}-image-{architecture}.cdx.json").read_text())
        yield from (f"{architecture}: {line}" for line in _bill_problems(root, bill, summary["version"]))


def _bill_problems(root: Path, bill: Mapping[str, Any], version: str) -> Iterator[str]:
    yield from compare(versions(components_of_image(root, root)), versions(bill["components"]), "listed")
    if installed_python(root).get(NAME) != version:
        yield f"{NAME} is of version {installed_python(root).get(NAME)}"
    yield from (f"{path}: belongs to no component" for path in sorted(_files(root) - _owned(root) - OURS))


def _files(root: Path) -> set[str]:
    paths = (path for path in root.rglob("*") if path.is_symlink() or not path.is_dir())
    return {str(path.relative_to(root)) for path in paths if path.suffix != ".pyc"}


def _owned(root: Path) -> set[str]:
    """Return the files that Debian's packages and the Python packages list as theirs."""
    status = root / STATUS
    debian = {line for path in status.glob("*.list") for line in path.read_text().splitlines()}
    owned = {str(path.relative_to(root)) for path in status.iterdir()} | debian
    for record in (root / SITE_PACKAGES).glob("*.dist-info/RECORD"):
        names = [line.rsplit(",", 2)[0].strip('"') for line in record.read_text().splitlines()]
        owned |= {f"{SITE_PACKAGES}/{name}" for name in names}
        owned |= {str((record.parent / name).relative_to(root)) for name in INSTALLER_FILES}
    return owned


def _deployed(folder: Path, summary: Mapping[str, Any]) -> Iterator[str]:
    """Hold the manifest and the chart against the image."""
    version, (repository, _, image_digest) = summary["version"], summary["image"].partition("@")
    wanted = f"{repository}:{version}@{image_digest}"
    documents = [one for one in yaml.safe_load_all((folder / "install.yaml").read_text()) if one]
    found = {
        container["image"]
        for document in documents
        if document["kind"] == "Deployment"
        for container in document["spec"]["template"]["spec"]["containers"]
    }
    if found != {wanted}:
        yield f"install.yaml: has the images {sorted(found)}, not {wanted}"
    with tarfile.open(folder / f"{NAME}-{version}.tgz") as archive:
        chart = yaml.safe_load(archive.extractfile(f"{NAME}/Chart.yaml") or b"")
    if (chart["version"], chart["appVersion"], chart["annotations"][DIGEST]) != (version, version, image_digest):
        yield f"the chart is of {chart['version']}, {chart['appVersion']} and {chart['annotations'][DIGEST]}"


def _blob(layout: Path, descriptor: Mapping[str, Any]) -> dict[str, Any]:
    _check(layout, descriptor)
    content: dict[str, Any] = json.loads(_path(layout, descriptor).read_bytes())
    return content


def _check(layout: Path, descriptor: Mapping[str, Any]) -> None:
    content = _path(layout, descriptor).read_bytes()
    if (digest(content), len(content)) != (descriptor["digest"], descriptor["size"]):
        raise ReleaseError(f"the blob {descriptor['digest']} has other content")


def _path(layout: Path, descriptor: Mapping[str, Any]) -> Path:
    algorithm, _, name = str(descriptor["digest"]).partition(":")
    return layout / "blobs" / algorithm / name
