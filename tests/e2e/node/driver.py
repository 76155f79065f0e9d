"""The stand-in for NVIDIA's driver: libraries of a version, nodes of GPUs that are not there, and their description."""

import json
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from e2e.node.compile import library, triplet

SOURCES = Path(__file__).with_name("driver")
VERSION = "535.288.01"
NEWER_VERSION = "550.127.08"
LIBRARIES = {
    "libnvidia-ml.so": "nvml.c",
    "libcuda.so": "cuda.c",
    "libnvidia-ptxjitcompiler.so": "ptxjitcompiler.c",
}
MINORS = (0, 1)

# NVIDIA's number for its devices: https://www.kernel.org/doc/Documentation/admin-guide/devices.txt
NVIDIA_MAJOR = 195
CONTROL_MINOR = 255


@dataclass(frozen=True, slots=True)
class Driver:
    """A driver's place in a node's root folder, and a folder to compile in."""

    root: Path
    folder: Path

    @property
    def library_folder(self) -> Path:
        """Return the folder with the libraries, as the node sees it."""
        return Path("/usr/lib") / triplet()

    def install(self, version: str = VERSION) -> None:
        """Install the libraries of a version in place of another's; the names that programs load lead to them."""
        for name, source in LIBRARIES.items():
            built = self.folder / version / name
            library(SOURCES / source, built, soname=f"{name}.1", driver_version=version)
            folder = self._in_node(self.library_folder)
            for older in folder.glob(f"{name}.*"):
                older.unlink()
            shutil.copyfile(built, folder / f"{name}.{version}")
            (folder / f"{name}.1").symlink_to(f"{name}.{version}")

    def make_devices(self) -> None:
        """Make the character nodes that the driver would make."""
        for name, (major, minor) in _devices().items():
            path = self._in_node(Path("/dev", name))
            os.mknod(path, stat.S_IFCHR, os.makedev(major, minor))
            # With any umask, every process may open a GPU that its container has.
            path.chmod(0o666)

    @contextmanager
    def absent(self) -> Iterator[None]:
        """Remove the node's driver until the context ends: libraries, devices and descriptions."""
        libraries = [path for name in LIBRARIES for path in self._in_node(self.library_folder).glob(f"{name}.*")]
        for path in (*libraries, *(self._in_node(Path("/dev", name)) for name in _devices()), self._description):
            path.unlink()
        try:
            yield
        finally:
            self.install()
            self.make_devices()
            self.describe()

    def describe(self, version: str = VERSION) -> None:
        """Write the CDI specification by which NVIDIA's runtime provides GPUs.

        https://github.com/cncf-tags/container-device-interface/blob/main/SPEC.md
        """
        devices = {"all": MINORS, **{str(minor): (minor,) for minor in MINORS}}
        devices |= {uuid_of(minor): (minor,) for minor in MINORS}
        spec = {
            "cdiVersion": "0.6.0",
            "kind": "nvidia.com/gpu",
            "devices": [{"name": name, "containerEdits": _nodes(*minors)} for name, minors in devices.items()],
            "containerEdits": {
                "deviceNodes": [{"path": "/dev/nvidiactl"}, {"path": "/dev/nvidia-uvm"}],
                "mounts": [self._mount(name, version) for name in LIBRARIES],
            },
        }
        self._description.parent.mkdir(exist_ok=True)
        self._description.write_text(json.dumps(spec))

    @property
    def _description(self) -> Path:
        return self._in_node(Path("/etc/cdi/nvidia.json"))

    def _mount(self, name: str, version: str) -> dict[str, object]:
        host = self.library_folder / f"{name}.{version}"
        container = self.library_folder / f"{name}.1"
        return {"hostPath": str(host), "containerPath": str(container), "options": ["ro", "nosuid", "nodev", "bind"]}

    def _in_node(self, path: Path) -> Path:
        return self.root / path.relative_to("/")


def uuid_of(minor: int) -> str:
    """Return the UUID that the stand-in NVML gives the GPU with this minor number."""
    return f"GPU-00000000-0000-4000-8000-{minor:012d}"


def _nodes(*minors: int) -> dict[str, object]:
    return {"deviceNodes": [{"path": f"/dev/nvidia{minor}"} for minor in minors]}


def _devices() -> dict[str, tuple[int, int]]:
    """Return the numbers of the nodes below ``/dev``, by name."""
    numbers = {f"nvidia{minor}": (NVIDIA_MAJOR, minor) for minor in MINORS}
    return numbers | {"nvidiactl": (NVIDIA_MAJOR, CONTROL_MINOR), "nvidia-uvm": (_unused_major(), 0)}


def _unused_major() -> int:
    """Return a number that no driver of this machine has: nodes with it open with ENXIO."""
    lines = Path("/proc/devices").read_text().splitlines()
    used = {int(line.split()[0]) for line in lines if line.strip()[:1].isdigit()}
    return next(major for major in range(511, 383, -1) if major not in used)
