"""containerd on the node: Debian's own 1.6, or 2.4 with NVIDIA's runtime beside runc."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from e2e.node.archive import Image, write_archive
from e2e.node.sandbox import Sandbox, SandboxError
from e2e.processes import started

CONFIG = Path(__file__).with_name("config")
# The namespace of containerd that the kubelet's images are in.
KUBELETS = "k8s.io"


@dataclass(frozen=True, slots=True)
class Runtime:
    """A running containerd, and a folder for archives that both sides see."""

    sandbox: Sandbox
    folder: Path

    def load(self, image: Image) -> None:
        """Import an image, as if it had been pulled."""
        archive = write_archive(image, self.folder / "image.tar")
        self.import_archive(archive)
        archive.unlink()

    def import_archive(self, archive: Path) -> None:
        """Import the images of an archive in a folder that both sides see."""
        self.sandbox.run("ctr", f"--namespace={KUBELETS}", "images", "import", archive)


@contextmanager
def containerd(inside: Sandbox, folder: Path, config: str, programs: Mapping[str, Path]) -> Iterator[Runtime]:
    """Run containerd until the context ends; ``programs`` are put before those that Debian installed."""
    for name, path in programs.items():
        (inside.root / "usr/local/bin" / name).symlink_to(path)
    _configure(inside, config)
    with started("containerd", inside.command("containerd"), inside.logs, environment=inside.environment) as process:
        process.wait_until(lambda: _answers(inside), "answers", seconds=30)
        yield Runtime(inside, folder)


def _configure(inside: Sandbox, config: str) -> None:
    etc = inside.root / "etc"
    for folder in ("containerd", "cni/net.d", "nvidia-container-runtime"):
        # What the machine has there is none of the node's business.
        shutil.rmtree(etc / folder, ignore_errors=True)
        (etc / folder).mkdir(parents=True)
    shutil.copyfile(CONFIG / config, etc / "containerd/config.toml")
    shutil.copyfile(CONFIG / "nvidia-container-runtime.toml", etc / "nvidia-container-runtime/config.toml")
    network = (CONFIG / "pods.conflist").read_text().replace("@POD_SUBNET@", inside.pod_subnet)
    (etc / "cni/net.d/pods.conflist").write_text(network)


def _answers(inside: Sandbox) -> bool:
    try:
        inside.run("ctr", "version")
    except SandboxError:
        return False
    return True
