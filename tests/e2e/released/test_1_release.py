"""The release of this checkout from a registry: image and chart come back as they were pushed, and run."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from release.image import PLATFORMS, this_machine
from release.signing import PUBLIC_KEY, SUMS, load_key, make_key, sign
from release.verify import problems

from e2e.helm import NAMESPACE, RELEASE
from e2e.installed.objects import rolled_out
from e2e.kubectl import Kubectl
from e2e.pods import wait_for_decision
from e2e.released.registry import REPOSITORY, Registry
from e2e.released.releases import Release

INJECTED = "inject/runtime-class"
IN_OURS = f"--namespace={NAMESPACE}"


@pytest.fixture(scope="module")
def installed(published: Registry, new: Release, kubectl: Kubectl) -> Iterator[None]:
    """Install the chart from the registry."""
    published.deploy("install", new)
    rolled_out(kubectl)
    yield
    published.helm("uninstall", RELEASE, IN_OURS, "--wait")
    kubectl.run("delete", "namespace", NAMESPACE)


def test_the_files_verify(new: Release, tmp_path: Path) -> None:
    """As `make verify-release` reads them back, with a key of this test: all but the cluster."""
    folder = tmp_path / "dist"
    shutil.copytree(new.folder, folder, ignore=shutil.ignore_patterns("*.sig", SUMS, PUBLIC_KEY))
    make_key(tmp_path / "key.pem")
    sign(folder, load_key(tmp_path / "key.pem"))
    assert list(problems(folder, folder / PUBLIC_KEY, print)) == []


def test_the_image_comes_back(published: Registry, new: Release) -> None:
    """By the digest that the release states, for each platform; crane verifies all blobs."""
    named = f"{REPOSITORY}@{new.digest}"
    assert published.inside.run(published.crane, "digest", f"{REPOSITORY}:{new.version}").strip() == new.digest
    index = json.loads(published.inside.run(published.crane, "manifest", named))
    platforms = [one["platform"]["architecture"] for one in index["manifests"]]
    assert this_machine() in platforms
    assert set(platforms) <= set(PLATFORMS)
    for one in index["manifests"]:
        published.inside.run(published.crane, "validate", f"--remote={REPOSITORY}@{one['digest']}")


def test_the_chart_comes_back(published: Registry, new: Release) -> None:
    """Byte for byte."""
    assert published.pulled_chart(new) == new.chart.read_bytes()


def test_the_manifest_runs_the_released_image(published: Registry, new: Release, kubectl: Kubectl) -> None:
    """Applied with the image from the registry, by its digest; `delete -f` removes all of it."""
    manifest = published.manifest(new)
    assert f"@{new.digest}" in manifest
    kubectl.run("apply", "-f", "-", stdin=manifest)
    rolled_out(kubectl)
    wait_for_decision(kubectl, INJECTED)
    kubectl.run("delete", "-f", "-", stdin=manifest)


@pytest.mark.usefixtures("installed")
def test_the_released_image_runs(new: Release, kubectl: Kubectl) -> None:
    """The node pulled it by its digest; both replicas are ready, and pods are patched."""
    wait_for_decision(kubectl, INJECTED)
    pods = kubectl.get("pods", IN_OURS)["items"]
    statuses = [status for one in pods for status in one["status"]["containerStatuses"]]
    assert len(statuses) == 2
    assert all(status["ready"] and status["imageID"].endswith(new.digest) for status in statuses)


@pytest.mark.usefixtures("installed")
def test_the_charts_own_test_passes(published: Registry) -> None:
    """A GPU pod is tried in a namespace of its own."""
    assert "Phase:          Succeeded" in published.helm("test", RELEASE, IN_OURS, "--timeout=120s")
