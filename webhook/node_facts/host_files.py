"""Read the facts of a node from the files that every container sees: sysfs, procfs and its own /dev.

Nothing here needs a privilege. ``root`` is ``/``; tests give another folder with such files.
"""

import platform
import re
from collections import Counter
from pathlib import Path

from webhook.node_facts.facts_report import MAX_DRIVERS, NO_DRIVER, NVIDIA_DRIVER, WORD, NodeFacts

PCI_DEVICES = "sys/bus/pci/devices"
PHYSICAL_FUNCTION = "physfn"
# Only the driver of vGPU hosts has this module. It gives GPUs to virtual machines, and has no CUDA for containers.
# https://docs.nvidia.com/vgpu/latest/grid-vgpu-user-guide/ - "Verifying the Installation of the NVIDIA vGPU Manager"
VGPU_MODULE, VGPU_DRIVER = "sys/module/nvidia_vgpu_vfio", "nvidia-vgpu"
NVIDIA_VENDOR = "0x10de"
# PCI base class 03: VGA, 3D and other display controllers. A GPU's audio and USB functions have others.
DISPLAY_CLASS = "0x03"
DRIVER_VERSION = "proc/driver/nvidia/version"
MODULE_VERSION = "sys/module/nvidia/version"
MIG_DEVICES = "proc/driver/nvidia/capabilities"
# https://docs.nvidia.com/jetson/archives/ - the SoC bus names the family "Tegra".
SOC_FAMILY = "sys/devices/soc0/family"
COMPATIBLE = "proc/device-tree/compatible"
KERNEL = "proc/sys/kernel/osrelease"
BOOT_ID = "proc/sys/kernel/random/boot_id"
MOUNTS = "proc/self/mountinfo"
# The first line of /proc/driver/nvidia/version has it between other words and the date of the build.
VERSION = re.compile(r"\s(\d{2,4}\.\d{1,3}(?:\.\d{1,3})?)\s")
# What NVIDIA's runtime adds: device nodes of desktop and server GPUs, of WSL2 and of Tegra.
GPU_DEVICES = ("nvidia[0-9]*", "nvidiactl", "dxg", "nvhost-gpu", "nvgpu", "nvmap")
DRIVER_LIBRARIES = ("/libnvidia-ml.so", "/libcuda.so", "/nvidia-smi")
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
# No file that is read here is longer than some lines.
MOST_CHARACTERS = 1 << 20


def read_facts(root: Path) -> NodeFacts:
    """Read the facts of a node, without what the container runtime added. A file that cannot be read says nothing."""
    return NodeFacts(
        boot_id=_text(root / BOOT_ID),
        architecture=ARCHITECTURES.get(platform.machine(), platform.machine()),
        gpus=_gpus(root),
        driver_version=_driver_version(root),
        is_tegra=_is_tegra(root),
        is_wsl="microsoft" in _text(root / KERNEL).lower(),
        has_mig=any((root / MIG_DEVICES).glob("gpu*/mig/gi*")),
    )


def read_added(root: Path) -> bool | None:
    """Say whether the container's runtime added GPU devices or the driver's libraries to this container.

    None where nothing was added: NVIDIA's runtime may ignore the variable in containers without privileges.
    """
    devices = any(any((root / "dev").glob(name)) for name in GPU_DEVICES)
    mounts = (line.split(" ") for line in _text(root / MOUNTS).splitlines())
    points = [fields[4] for fields in mounts if len(fields) > 4]  # noqa: PLR2004 - proc(5): the fifth field
    libraries = any(name in point for point in points for name in DRIVER_LIBRARIES)
    return True if devices or libraries else None


def _gpus(root: Path) -> dict[str, int]:
    is_shared = (root / VGPU_MODULE).is_dir()
    found: Counter[str] = Counter()
    for device in (root / PCI_DEVICES).glob("*"):
        if _is_gpu(device):
            name = _driver(device)
            found[VGPU_DRIVER if is_shared and name == NVIDIA_DRIVER else name] += 1
    return dict(found.most_common(MAX_DRIVERS))


def _is_gpu(device: Path) -> bool:
    if _text(device / "vendor") != NVIDIA_VENDOR or not _text(device / "class").startswith(DISPLAY_CLASS):
        return False
    # A virtual function is a part of a GPU that is counted already.
    return not (device / PHYSICAL_FUNCTION).is_symlink()


def _driver(device: Path) -> str:
    try:
        name = (device / "driver").readlink().name
    except OSError:
        # No driver is bound, or it was unbound between two looks.
        return NO_DRIVER
    return name if WORD.fullmatch(name) else "unknown"


def _driver_version(root: Path) -> str:
    lines = _text(root / DRIVER_VERSION).splitlines()
    shown = VERSION.search(f"{lines[0]} ") if lines else None
    if shown:
        return shown[1]
    version = _text(root / MODULE_VERSION)
    return version if WORD.fullmatch(version) else ""


def _is_tegra(root: Path) -> bool:
    if _text(root / SOC_FAMILY).lower().startswith("tegra"):
        return True
    return any(name.startswith("nvidia,tegra") for name in _text(root / COMPATIBLE).split("\0"))


def _text(file: Path) -> str:
    try:
        with file.open(encoding="utf-8", errors="replace") as opened:
            return opened.read(MOST_CHARACTERS).strip()
    except OSError:
        return ""
