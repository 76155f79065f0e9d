"""The image that the documents name: the one that `make image` builds, and never the manifest's own name."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from support.chart import DESCRIPTION, MANIFEST, VALUES
from support.doc_blocks import DOCUMENTS, ROOT, Block, blocks

VERSION = yaml.safe_load(DESCRIPTION.read_text())["version"]
PAGE = ROOT / "docs" / "image.md"
LOADED = f"localhost/gpu-injector:{VERSION}"
# What changed is history; what an upgrade starts from is older.
OLDER = {"CHANGELOG.md", "upgrade.md"}
# An image, a file of a release, or the entry of a kustomization.
NAMED = re.compile(r"gpu-injector[:-](\d+\.\d+\.\d+)|newTag: (\d[\w.]*)|TAG=v(\d[\w.]*)")
APPLIED = [block for block in blocks() if any("deploy/install.yaml | kubectl" in line for line in block.commands)]
AS_IT_IS = re.compile(r"kubectl (?:apply|create|replace) .*(?:-f|-k) \S*deploy(?:/install\.yaml)?(?:[\s`]|$)")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_documents_name_this_version(document: Path) -> None:
    """An image of another version in a command would not be the one that was built."""
    if document.name not in OLDER:
        found = {version for versions in NAMED.findall(document.read_text()) for version in versions if version}
        assert found <= {VERSION}


def test_versions_are_found() -> None:
    """The check above reads the forms that the documents use."""
    named = {path.name for path in DOCUMENTS if NAMED.search(path.read_text())}
    assert {"README.md", "quickstart.md", "gitops.md", "image.md", "releasing.md"} <= named


@pytest.mark.parametrize("block", APPLIED, ids=str)
def test_the_manifest_gets_an_image_that_the_nodes_have(block: Block) -> None:
    """The commands of the documents, run without the part that applies the result."""
    (command,) = (line.partition(" | ")[0] for line in block.commands if "deploy/install.yaml | " in line)
    done = subprocess.run(["/bin/sh", "-c", command], cwd=ROOT, capture_output=True, text=True, check=True)
    (found,) = (one for one in yaml.safe_load_all(done.stdout) if one["kind"] == "Deployment")
    (container,) = found["spec"]["template"]["spec"]["containers"]
    expected = (
        (LOADED, "Never") if block.document == PAGE else (f"registry.example/gpu-injector:{VERSION}", "IfNotPresent")
    )
    assert (container["image"], container["imagePullPolicy"]) == expected
    assert done.stdout.count("\n---\n") == MANIFEST.read_text().count("\n---\n")


def test_both_kinds_of_nodes_have_a_command() -> None:
    """Those that pull from a registry, and those on which the image is loaded."""
    assert {block.document_name for block in APPLIED} == {"README.md", "docs/image.md"}


def test_no_document_applies_the_manifest_as_it_is() -> None:
    """Its image names no registry: no node could pull it. Text and tables count, and the manifest's own head."""
    texts = [document.read_text() for document in DOCUMENTS]
    assert [line for text in texts for line in text.splitlines() if AS_IT_IS.search(line)] == []
    assert "kubectl apply -f install.yaml" not in MANIFEST.read_text()


def test_the_page_uses_the_name_that_make_image_gives() -> None:
    """And the chart gives this name with the registry `localhost`."""
    default = re.search(r"^IMAGE \?= (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert default
    assert default[1].replace("$(VERSION)", VERSION) == LOADED
    assert f"localhost/{yaml.safe_load(VALUES.read_text())['image']['repository']}:{VERSION}" == LOADED
    saved = re.findall(r"`((?:buildah push|docker save|podman save) .*?)`", PAGE.read_text())
    assert [program.split()[0] for program in saved if LOADED in program] == ["buildah", "docker", "podman"]


@pytest.mark.parametrize(
    ("installed", "program"),
    [
        ("buildah docker podman", "buildah bud --isolation chroot --timestamp 0"),
        ("docker podman", "docker build"),
        ("podman", "podman build"),
    ],
)
def test_make_image_uses_the_first_program_that_is_installed(installed: str, program: str, tmp_path: Path) -> None:
    """What docs/image.md says, and the name that the chart expects."""
    sed, make = shutil.which("sed"), shutil.which("make")
    assert sed
    assert make
    (tmp_path / "sed").symlink_to(sed)
    for name in installed.split():
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    command = [make, "--dry-run", "--silent", "image"]
    done = subprocess.run(command, cwd=ROOT, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(program)
    assert f" --tag {LOADED} " in done.stdout
