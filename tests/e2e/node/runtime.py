"""containerd on the node, with NVIDIA's runtime beside runc: the incident's 1.7, or 2.4."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from e2e.node.archive import Image, write_archive
from e2e.node.sandbox import Sandbox, SandboxError, stopped
from e2e.processes import Started, started

CONFIG = Path(__file__).with_name("config")
# Seen from the node.
CONFIG_FILE = Path("/etc/containerd/config.toml")
# The namespace of containerd that the kubelet's images are in.
KUBELETS = "k8s.io"
# How NVIDIA's documentation configures containerd. On containerd 1.x it copies the configuration into the drop-in,
# without a default runtime of its own name.
NVIDIA_CTK = ("nvidia-ctk", "runtime", "configure", "--runtime=containerd")
AS_DEFAULT = "--set-as-default"
HANDLER = "runtimes.nvidia"


@dataclass(frozen=True, slots=True)
class Runtime:
    """A running containerd, and a folder for archives that both sides see."""

    sandbox: Sandbox
    folder: Path
    process: Started

    @property
    def configuration(self) -> Path:
        """Return the folder of containerd's configuration, seen from outside."""
        return self.sandbox.root / "etc/containerd"

    @property
    def drop_in(self) -> Path:
        """Return the file that nvidia-ctk writes, seen from outside."""
        return self.configuration / "conf.d/99-nvidia.toml"

    def load(self, image: Image) -> None:
        """Import an image, as if it had been pulled."""
        archive = write_archive(image, self.folder / "image.tar")
        self.import_archive(archive)
        archive.unlink()

    def import_archive(self, archive: Path) -> None:
        """Import the images of an archive in a folder that both sides see."""
        self.sandbox.run("ctr", f"--namespace={KUBELETS}", "images", "import", archive)

    @contextmanager
    def changed(self, change: Callable[[], object]) -> Iterator[None]:
        """Change containerd's configuration until the context ends; containerd is restarted both times."""
        kept = self.folder / "containerd-configuration"
        shutil.copytree(self.configuration, kept)
        try:
            change()
            self._restart()
            yield
        finally:
            shutil.rmtree(self.configuration)
            shutil.move(kept, self.configuration)
            self._restart()

    @contextmanager
    def nvidia_by_default(self) -> Iterator[None]:
        """Make NVIDIA's runtime the node's default until the context ends, as NVIDIA's tool does."""
        with self.changed(lambda: self.sandbox.run(*NVIDIA_CTK, AS_DEFAULT)):
            yield

    def rename_handler(self) -> None:
        """Give the handler ``nvidia`` another name; containerd reads that when it starts again."""
        files = [path for path in (self.configuration / "config.toml", self.drop_in) if path.exists()]
        for path in files:
            text = path.read_text()
            assert HANDLER in text
            path.write_text(text.replace(HANDLER, f"{HANDLER}-of-another-name"))

    def _restart(self) -> None:
        """Restart containerd; containers go on."""
        with stopped(self.process):
            pass
        wait_for_answer(self.sandbox, self.process)


@contextmanager
def containerd(
    inside: Sandbox, folder: Path, config: str, programs: Mapping[str, Path], *, by_nvidia_ctk: bool
) -> Iterator[Runtime]:
    """Run containerd until the context ends; ``programs`` are put where their packages put them.

    With ``by_nvidia_ctk``, NVIDIA's tool has added its drop-in to the configuration.
    """
    for name, path in programs.items():
        link = inside.root / ("usr/bin" if name.startswith("nvidia-") else "usr/local/bin") / name
        link.unlink(missing_ok=True)
        link.symlink_to(path)
    _configure(inside, config)
    if by_nvidia_ctk:
        inside.run(*NVIDIA_CTK)
    with started("containerd", inside.command("containerd"), inside.logs, environment=inside.environment) as process:
        wait_for_answer(inside, process)
        yield Runtime(inside, folder, process)


def _configure(inside: Sandbox, config: str) -> None:
    etc = inside.root / "etc"
    for folder in ("containerd", "cni/net.d", "nvidia-container-runtime"):
        # The machine's own files there are hidden from the node.
        shutil.rmtree(etc / folder, ignore_errors=True)
        (etc / folder).mkdir(parents=True)
    shutil.copyfile(CONFIG / config, etc / "containerd/config.toml")
    shutil.copyfile(CONFIG / "nvidia-container-runtime.toml", etc / "nvidia-container-runtime/config.toml")
    network = (CONFIG / "pods.conflist").read_text().replace("@POD_SUBNET@", inside.pod_subnet)
    (etc / "cni/net.d/pods.conflist").write_text(network)


def wait_for_answer(inside: Sandbox, process: Started) -> None:
    """Wait until containerd answers."""
    process.wait_until(lambda: _answers(inside), "answers", seconds=30)


def _answers(inside: Sandbox) -> bool:
    try:
        inside.run("ctr", "version")
    except SandboxError:
        return False
    return True
