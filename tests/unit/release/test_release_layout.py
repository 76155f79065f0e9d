"""The image's layout: equal files make equal bytes, and what is written can be read back and verified."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from release.debian import STATUS
from release.oci import Layout, digest, layer_of
from release.programs import ReleaseError
from release.python_files import SITE_PACKAGES
from release.sbom import bill, components_of_image
from release.verify import image_problems

VERSION = "1.2.0"
LABELS = {"org.opencontainers.image.title": "gpu-injector"}


def tree(root: Path) -> Path:
    """Write an image's files: one package of Debian, one of PyPI, and ours."""
    status = root / STATUS
    status.mkdir(parents=True)
    (status / "libc6").write_text("Package: libc6\nVersion: 2.41-12\nArchitecture: amd64\n")
    (status / "libc6.list").write_text("usr/lib/libc.so.6\n")
    (root / "usr/lib").mkdir(parents=True)
    (root / "usr/lib/libc.so.6").write_text("library")
    (root / "lib").symlink_to("usr/lib")
    for name, version in (("gpu_injector", VERSION), ("click", "8.3.1"), ("libc6", "1.0")):
        folder = root / SITE_PACKAGES / f"{name}-{version}.dist-info"
        folder.mkdir(parents=True)
        (folder / "METADATA").write_text(f"Name: {name.replace('_', '-')}\nVersion: {version}\n")
        (folder / "RECORD").write_text(f"{name}/__init__.py,sha256=0,1\n{folder.name}/METADATA,,\n")
        (root / SITE_PACKAGES / name).mkdir()
        (root / SITE_PACKAGES / name / "__init__.py").write_text("")
    return root


def release(root: Path, folder: Path) -> dict[str, Any]:
    """Write a release of one platform with these files; return its summary."""
    folder.mkdir()
    layout = Layout()
    image = layout.image("amd64", [layer_of(root)], {"Labels": LABELS})
    index = layout.index([image], LABELS)
    layout.write(folder / f"gpu-injector-{VERSION}-image.tar", index, VERSION)
    text = bill(VERSION, "image amd64", components_of_image(root, root), {"type": "container"})
    (folder / f"gpu-injector-{VERSION}-image-amd64.cdx.json").write_text(text)
    return {"version": VERSION, "image": f"gpu-injector@{index['digest']}"}


def problems(folder: Path, summary: dict[str, Any]) -> list[str]:
    """Return what the verification says."""
    (folder / "work").mkdir()
    return list(image_problems(folder, summary, folder / "work"))


def test_equal_files_make_equal_layers(tmp_path: Path) -> None:
    """Times do not count, and neither does the umask of who built it."""
    first, second = tree(tmp_path / "a"), tree(tmp_path / "b")
    os.utime(second / "usr/lib/libc.so.6", (1, 1))
    (second / "usr/lib/libc.so.6").chmod(0o600)
    assert layer_of(first) == layer_of(second)
    (second / "usr/lib/libc.so.6").write_text("another")
    assert layer_of(first) != layer_of(second)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    """Every blob has its digest, and the bill of materials is that of the files."""
    assert problems(tmp_path / "dist", release(tree(tmp_path / "root"), tmp_path / "dist")) == []


def test_a_file_of_no_component_is_found(tmp_path: Path) -> None:
    """Which no scanner would see."""
    root = tree(tmp_path / "root")
    (root / "usr/lib/unknown.so").write_text("")
    summary = release(root, tmp_path / "dist")
    assert problems(tmp_path / "dist", summary) == ["amd64: usr/lib/unknown.so: belongs to no component"]


def test_a_component_that_is_not_there_is_found(tmp_path: Path) -> None:
    """The bill of materials says another version than the files."""
    summary = release(tree(tmp_path / "root"), tmp_path / "dist")
    path = tmp_path / "dist" / f"gpu-injector-{VERSION}-image-amd64.cdx.json"
    path.write_text(path.read_text().replace("8.3.1", "8.3.0"))
    assert problems(tmp_path / "dist", summary) == ["amd64: pkg:pypi/click: 8.3.1, but listed is 8.3.0"]


def test_another_image_than_the_stated_one_is_found(tmp_path: Path) -> None:
    """The summary, the chart and the manifest name a digest."""
    summary = release(tree(tmp_path / "root"), tmp_path / "dist")
    (found,) = problems(tmp_path / "dist", {**summary, "image": "gpu-injector@sha256:00"})
    assert found.startswith("release.json: the image is gpu-injector@sha256:00, but the archive has sha256:")


def test_a_changed_blob_is_refused(tmp_path: Path) -> None:
    """A registry would refuse it as well."""
    root = tree(tmp_path / "root")
    layout = Layout()
    image = layout.image("amd64", [layer_of(root)], {"Labels": LABELS})
    layout.blobs[image["digest"]] = layout.blobs[image["digest"]].replace(b"gpu-injector", b"gpu-injecto2")
    index = layout.index([image], LABELS)
    (tmp_path / "dist").mkdir()
    layout.write(tmp_path / "dist" / f"gpu-injector-{VERSION}-image.tar", index, VERSION)
    with pytest.raises(ReleaseError, match="has other content"):
        problems(tmp_path / "dist", {"version": VERSION, "image": f"gpu-injector@{index['digest']}"})


def test_an_index_names_each_platform(tmp_path: Path) -> None:
    """With the variant that arm64 has."""
    layout = Layout()
    layer = layer_of(tree(tmp_path / "root"))
    images = [layout.image(one, [layer], {"Labels": LABELS}) for one in ("amd64", "arm64")]
    index = json.loads(layout.blobs[layout.index(images, LABELS)["digest"]])
    assert [one["platform"] for one in index["manifests"]] == [
        {"architecture": "amd64", "os": "linux"},
        {"architecture": "arm64", "os": "linux", "variant": "v8"},
    ]
    assert layer.diff_id != digest(layer.content)
