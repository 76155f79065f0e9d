"""A registry on the node's own loopback, and the programs that push to it and install from it.

containerd, Helm and crane speak plain HTTP with a registry on loopback, so they all run inside the node.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from release.publish import CRANE, Publisher

from e2e.binaries import build
from e2e.helm import NAMESPACE, RELEASE
from e2e.node.cluster import Cluster
from e2e.node.sandbox import Sandbox, SandboxError
from e2e.processes import started
from e2e.released.releases import Release

ADDRESS = "127.0.0.1:5000"
REGISTRY = f"{ADDRESS}/mirror"
REPOSITORY = f"{REGISTRY}/gpu-injector"
CHARTS = f"oci://{REGISTRY}/charts"


@dataclass(frozen=True, slots=True)
class Registry:
    """A running registry of a cluster's node, and a folder that both sides see."""

    cluster: Cluster
    crane: Path
    folder: Path

    @property
    def inside(self) -> Sandbox:
        """Return the node."""
        return self.cluster.runtime.sandbox

    def push(self, release: Release) -> None:
        """Push a release's image and chart, as `make publish` does."""
        # A folder that the node sees.
        copied = self.folder / f"release-{release.version}"
        shutil.copytree(release.folder, copied)
        publisher = Publisher(self.crane, self.cluster.helm, self._run, REGISTRY)
        publisher.push(copied, self.folder / f"layout-{release.version}", "--plain-http")

    def pulled_chart(self, release: Release) -> bytes:
        """Return the chart's archive as the registry gives it."""
        pulled = self.folder / "pulled"
        pulled.mkdir(exist_ok=True)
        self.helm("pull", f"{CHARTS}/{RELEASE}", "--version", release.version, "--plain-http", "--destination", pulled)
        return (pulled / release.chart.name).read_bytes()

    def helm(self, *arguments: object) -> str:
        """Run Helm on the node as the administrator. Raises SandboxError."""
        return self._run(self.cluster.helm, *arguments)

    def _run(self, *command: object) -> str:
        homes = [f"HELM_{kind}_HOME={self.folder / kind.lower()}" for kind in ("CACHE", "CONFIG", "DATA")]
        user = f"KUBECONFIG={self.cluster.kubectl.kubeconfig}"
        return self.inside.run("env", *homes, user, *command)

    def deploy(self, action: str, release: Release, *arguments: object) -> str:
        """Install the chart of a release from the registry, or upgrade to it, with the image from there."""
        chart = ("--plain-http", f"--version={release.version}", f"--set=image.repository={REPOSITORY}")
        own = (f"--namespace={NAMESPACE}", *(("--create-namespace",) if action == "install" else ()))
        return self.helm(action, RELEASE, f"{CHARTS}/{RELEASE}", *chart, *own, *arguments)

    def manifest(self, release: Release) -> str:
        """Return install.yaml with the image from this registry, as the README says: by one substitution."""
        before, after = f"image: {release.repository}:", f"image: {REPOSITORY}:"
        assert before in release.manifest
        return release.manifest.replace(before, after)


@contextmanager
def registry(cluster: Cluster, folder: Path) -> Iterator[Registry]:
    """Run an empty registry on the node until the context ends."""
    crane = build(CRANE, lambda _: None)
    inside = cluster.runtime.sandbox
    command = inside.command(crane, "registry", "serve", f"--address={ADDRESS}")
    with started("registry", command, inside.logs, environment=inside.environment) as process:
        running = Registry(cluster, crane, folder)
        process.wait_until(lambda: _answers(running), "answers", seconds=30)
        yield running


def _answers(running: Registry) -> bool:
    try:
        running.inside.run(running.crane, "catalog", ADDRESS)
    except SandboxError:
        return False
    return True
