"""A folder with the files of a host: sysfs, procfs and /dev, as the node facts read them."""

import shutil
from collections.abc import Iterable
from pathlib import Path

VERSION = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  {}  Thu Oct 19 18:56:32 UTC 2023\nGCC version:  gcc 12\n"
OPEN_VERSION = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  {}  Release Build  (root@host)\n"
NVIDIA, DISPLAY = "0x10de", "0x030200"
PCI = "sys/bus/pci/devices"


def write(root: Path, name: str, text: str) -> None:
    """Write a file with its folders."""
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def write_pci(root: Path, drivers: Iterable[str], *, vendor: str = NVIDIA, pci_class: str = DISPLAY) -> None:
    """Write a PCI device for each driver; an empty name is none that is bound."""
    start = len(list((root / PCI).glob("*")))
    for number, driver in enumerate(drivers, start):
        address = f"0000:{number:02x}:00.0"
        write(root, f"{PCI}/{address}/vendor", f"{vendor}\n")
        write(root, f"{PCI}/{address}/class", f"{pci_class}\n")
        bind_driver(root, address, driver)


def bind_driver(root: Path, address: str, driver: str) -> None:
    """Bind another driver to a PCI device; an empty name is none."""
    link = root / PCI / address / "driver"
    link.unlink(missing_ok=True)
    if driver:
        (root / "sys/bus/pci/drivers" / driver).mkdir(parents=True, exist_ok=True)
        link.symlink_to(Path("../../drivers") / driver)


def unplug(root: Path, address: str) -> None:
    """Remove a PCI device."""
    shutil.rmtree(root / PCI / address)


def write_host(
    root: Path,
    drivers: Iterable[str] = (),
    *,
    version: str = "",
    boot_id: str = "b-1",
    kernel: str = "6.8.0-45-generic",
) -> Path:
    """Write a host with these GPUs and this loaded driver; return its root."""
    write(root, "proc/sys/kernel/random/boot_id", f"{boot_id}\n")
    write(root, "proc/sys/kernel/osrelease", f"{kernel}\n")
    write_pci(root, drivers)
    if version:
        write(root, "proc/driver/nvidia/version", VERSION.format(version))
    return root
