"""Which PCI devices of a host are GPUs for containers, by their class and the driver that is bound."""

from pathlib import Path

import pytest
from support.host_tree import PCI, bind_driver, write, write_host, write_pci

from webhook.node_facts.host_files import read_facts


@pytest.mark.parametrize(
    ("drivers", "gpus", "shows_gpu"),
    [
        (["nvidia", "nvidia"], {"nvidia": 2}, True),
        (["vfio-pci"], {"vfio-pci": 1}, False),
        (["nouveau"], {"nouveau": 1}, False),
        (["nvidia", "vfio-pci"], {"nvidia": 1, "vfio-pci": 1}, True),
        ([""], {"none": 1}, None),
        (["vfio-pci", ""], {"vfio-pci": 1, "none": 1}, None),
        ([], {}, False),
    ],
)
def test_the_driver_bound_to_each_gpu_counts(
    tmp_path: Path, drivers: list[str], gpus: dict[str, int], *, shows_gpu: bool | None
) -> None:
    """A GPU is for containers only with NVIDIA's driver; one without any driver may get it later."""
    facts = read_facts(write_host(tmp_path, drivers))
    assert dict(facts.gpus) == gpus
    assert facts.shows_gpu is shows_gpu


# Base class, subclass and programming interface: https://pci-ids.ucw.cz/read/PD/
@pytest.mark.parametrize(
    ("pci_class", "driver", "gpus"),
    [
        ("0x030000", "nvidia", {"nvidia": 1}),  # VGA: workstations
        ("0x030200", "nvidia", {"nvidia": 1}),  # 3D: servers
        ("0x038000", "nvidia", {"nvidia": 1}),  # other display: laptops
        ("0x040300", "snd_hda_intel", {}),  # the audio function of a GPU
        ("0x040300", "vfio-pci", {}),  # the same, passed through with or without its GPU
        ("0x0c0330", "xhci_hcd", {}),  # its USB controller
        ("0x0c8000", "nvidia-gpu", {}),  # its USB Type-C controller, whose driver is of i2c
        ("0x068000", "nvidia-nvswitch", {}),  # NVSwitch
        ("0x060400", "pcieport", {}),  # root ports of Grace and Tegra
        ("0x020000", "forcedeth", {}),  # nForce
        ("0x010601", "ahci", {}),
    ],
)
def test_only_display_devices_are_gpus(tmp_path: Path, pci_class: str, driver: str, gpus: dict[str, int]) -> None:
    """Other devices with NVIDIA's vendor are none, whatever driver they have."""
    write_host(tmp_path)
    write_pci(tmp_path, [driver], pci_class=pci_class)
    facts = read_facts(tmp_path)
    assert dict(facts.gpus) == gpus
    assert facts.shows_gpu is bool(gpus)


def test_gpus_of_other_vendors_are_none(tmp_path: Path) -> None:
    """AMD, Intel, the controller of a server's console, and a virtual machine's display."""
    write_host(tmp_path, ["nvidia"])
    for vendor, driver in (("0x1002", "amdgpu"), ("0x8086", "i915"), ("0x1a03", "ast"), ("0x1af4", "virtio-pci")):
        write_pci(tmp_path, [driver], vendor=vendor)
    assert dict(read_facts(tmp_path).gpus) == {"nvidia": 1}


@pytest.mark.parametrize(
    "driver", ["vfio-pci", "nvgrace-gpu-vfio-pci", "pci-stub", "pciback", "nouveau", "nova_core", "nvidiafb"]
)
def test_only_nvidias_driver_serves_containers(tmp_path: Path, driver: str) -> None:
    """Drivers of virtual machines and of the kernel do not; they are reported by their names."""
    facts = read_facts(write_host(tmp_path, [driver]))
    assert (dict(facts.gpus), facts.shows_gpu) == ({driver: 1}, False)


def test_the_gpus_of_a_vgpu_host_are_for_virtual_machines(tmp_path: Path) -> None:
    """NVIDIA's driver is bound there too; virtual functions are parts of the GPU."""
    root = write_host(tmp_path, ["nvidia", "nvidia", "nvidia", "vfio-pci"], version="550.54.16")
    for number in (2, 3):
        (root / f"{PCI}/0000:{number:02x}:00.0/physfn").symlink_to("../0000:01:00.0")
    facts = read_facts(root)
    assert (dict(facts.gpus), facts.shows_gpu) == ({"nvidia": 2}, True)
    write(root, "sys/module/nvidia_vgpu_vfio/refcnt", "0\n")
    facts = read_facts(root)
    assert (dict(facts.gpus), facts.shows_gpu) == ({"nvidia-vgpu": 2}, False)


def test_the_guest_of_a_vgpu_host_has_a_gpu(tmp_path: Path) -> None:
    """A virtual GPU is an ordinary PCI device in its machine, with NVIDIA's driver for guests."""
    write_host(tmp_path, version="550.54.15")
    write_pci(tmp_path, ["nvidia"], pci_class="0x030000")
    assert read_facts(tmp_path).shows_gpu is True


def test_addresses_have_any_form(tmp_path: Path) -> None:
    """Virtual machines and large hosts have domains of their own."""
    for address in ("10000:e1:00.0", "0009:01:00.0", "b4e1:00:00.0"):
        write(tmp_path, f"{PCI}/{address}/vendor", "0x10de\n")
        write(tmp_path, f"{PCI}/{address}/class", "0x030200\n")
        bind_driver(tmp_path, address, "nvidia")
    assert dict(read_facts(tmp_path).gpus) == {"nvidia": 3}


def test_a_device_that_vanishes_is_no_gpu(tmp_path: Path) -> None:
    """Of a GPU that is removed a link or a part of its files may still be there; no driver gets the name of a file."""
    root = write_host(tmp_path, ["nvidia", "nvidia", ""])
    (root / PCI / "0000:00:00.0" / "vendor").unlink()
    (root / PCI / "0000:01:00.0" / "class").unlink()
    (root / PCI / "0000:0f:00.0").symlink_to("../../../devices/pci0000:00/0000:0f:00.0")
    assert dict(read_facts(root).gpus) == {"none": 1}


def test_a_driver_without_a_gpu_is_none(tmp_path: Path) -> None:
    """One node image has driver and toolkit, also where no GPU is."""
    facts = read_facts(write_host(tmp_path, version="570.86.15"))
    assert (facts.driver_version, facts.shows_gpu) == ("570.86.15", False)


def test_a_gpu_that_the_driver_lost_may_come_back(tmp_path: Path) -> None:
    """The module is loaded, and no driver is bound: after a failed probe, or while the driver is replaced."""
    facts = read_facts(write_host(tmp_path, [""], version="570.86.15"))
    assert (dict(facts.gpus), facts.driver_version, facts.shows_gpu) == ({"none": 1}, "570.86.15", None)


def test_a_driver_with_an_odd_name_is_no_free_text(tmp_path: Path) -> None:
    """A report holds words alone."""
    write_host(tmp_path, ["a b"])
    assert dict(read_facts(tmp_path).gpus) == {"unknown": 1}
