"""What the probe reads of a host's files."""

import os
from pathlib import Path

import pytest
from support.host_tree import OPEN_VERSION, VERSION, write, write_host, write_pci

from webhook.node_facts.facts_report import NodeFacts
from webhook.node_facts.host_files import read_added, read_facts


def test_a_host_without_files_shows_nothing(tmp_path: Path) -> None:
    """A file that cannot be read says nothing, and raises nothing."""
    facts = read_facts(tmp_path)
    assert (facts.gpus, facts.driver_version, facts.boot_id) == ({}, "", "")
    assert facts.shows_gpu is False


@pytest.mark.parametrize(
    ("machine", "architecture"),
    [("x86_64", "amd64"), ("aarch64", "arm64"), ("ppc64le", "ppc64le"), ("riscv64", "riscv64"), ("", "")],
)
def test_the_architecture_is_named_as_by_kubernetes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, machine: str, architecture: str
) -> None:
    """Also with pages of 64 KiB, which have no name of their own."""
    monkeypatch.setattr("platform.machine", lambda: machine)
    write_host(tmp_path, ["nvidia"], kernel="6.8.0-1021-nvidia-64k")
    facts = read_facts(tmp_path)
    assert facts.architecture == architecture
    assert facts == NodeFacts.parse(facts.to_text())


@pytest.mark.parametrize(
    ("file", "text", "version"),
    [
        ("proc/driver/nvidia/version", OPEN_VERSION.format("550.54.15"), "550.54.15"),
        ("proc/driver/nvidia/version", OPEN_VERSION.format("570.86"), "570.86"),
        ("proc/driver/nvidia/version", OPEN_VERSION.replace("x86_64", "aarch64").format("540.4.0"), "540.4.0"),
        ("proc/driver/nvidia/version", VERSION.format("390.157"), "390.157"),
        ("proc/driver/nvidia/version", VERSION.format("1000.10.01"), "1000.10.01"),
        ("proc/driver/nvidia/version", "", ""),
        ("proc/driver/nvidia/version", "NVRM version: none\n", ""),
        ("sys/module/nvidia/version", "535.129.03\n", "535.129.03"),
        ("sys/module/nvidia/version", "a b\n", ""),
    ],
)
def test_the_version_is_the_loaded_modules(tmp_path: Path, file: str, text: str, version: str) -> None:
    """Proprietary and open modules write it differently; sysfs has it too."""
    write(tmp_path, file, text)
    assert read_facts(tmp_path).driver_version == version


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("sys/devices/soc0/family", "Tegra\n"),
        ("proc/device-tree/compatible", "nvidia,p3768-0000+p3767-0000\0nvidia,tegra234\0"),
    ],
)
def test_tegra_has_a_gpu_that_is_no_pci_device(tmp_path: Path, file: str, text: str) -> None:
    """The SoC's bus or the device tree show it."""
    write(tmp_path, file, text)
    facts = read_facts(tmp_path)
    assert facts.is_tegra
    assert facts.shows_gpu


def test_tegra_beside_pci_devices(tmp_path: Path) -> None:
    """The GPU inside counts, whatever the devices on the bus are: root ports, or a card for a virtual machine."""
    write(tmp_path, "sys/devices/soc0/family", "Tegra\n")
    write_pci(tmp_path, ["pcieport"], pci_class="0x060400")
    write_pci(tmp_path, ["vfio-pci"])
    facts = read_facts(tmp_path)
    assert (dict(facts.gpus), facts.is_tegra, facts.shows_gpu) == ({"vfio-pci": 1}, True, True)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("sys/devices/soc0/family", "Snapdragon\n"),
        ("proc/device-tree/compatible", "raspberrypi,4-model-b\0brcm,bcm2711\0"),
        ("proc/device-tree/compatible", "nvidia,grace\0"),
    ],
)
def test_other_boards_are_no_tegra(tmp_path: Path, file: str, text: str) -> None:
    """An SoC of another family has no GPU of NVIDIA's."""
    write(tmp_path, file, text)
    facts = read_facts(tmp_path)
    assert (facts.is_tegra, facts.shows_gpu) == (False, False)


@pytest.mark.parametrize(
    ("kernel", "is_wsl"),
    [
        ("5.15.153.1-microsoft-standard-WSL2", True),
        ("4.19.128-microsoft-standard", True),
        ("6.8.0-1021-azure", False),
        ("6.6.57.1-7.azl3", False),
    ],
)
def test_under_wsl_the_gpu_is_not_known(tmp_path: Path, kernel: str, *, is_wsl: bool) -> None:
    """The GPU of WSL2 is a paravirtual device of Microsoft's; kernels of Azure are those of ordinary machines."""
    facts = read_facts(write_host(tmp_path, kernel=kernel))
    assert (facts.is_wsl, facts.shows_gpu) == (is_wsl, None if is_wsl else False)


def test_a_gpu_in_wsl_counts_where_the_default_runtime_adds_it(tmp_path: Path) -> None:
    """The container then has /dev/dxg."""
    write(tmp_path, "dev/dxg", "")
    facts = read_facts(write_host(tmp_path, kernel="5.15.153.1-microsoft-standard-WSL2"))
    assert facts.with_runtime(added=read_added(tmp_path)).shows_gpu is True


def test_mig_devices_are_found(tmp_path: Path) -> None:
    """The driver lists a GPU instance for each of them; support for MIG alone is none."""
    write(tmp_path, "proc/driver/nvidia/capabilities/mig/config", "")
    assert not read_facts(tmp_path).has_mig
    write(tmp_path, "proc/driver/nvidia/capabilities/gpu0/mig/gi1/access", "")
    assert read_facts(tmp_path).has_mig


@pytest.mark.parametrize(
    ("file", "text", "added"),
    [
        ("dev/nvidia0", "", True),
        ("dev/nvidiactl", "", True),
        ("dev/dxg", "", True),
        ("dev/nvhost-gpu", "", True),
        ("dev/nvmap", "", True),
        ("dev/null", "", None),
        ("dev/nvidia-fs0", "", None),
        ("dev/nvidia-uvm", "", None),
        (
            "proc/self/mountinfo",
            "1 2 8:1 /a /usr/lib/x86_64-linux-gnu/libnvidia-ml.so.535 ro - ext4 /dev/sda ro\n",
            True,
        ),
        ("proc/self/mountinfo", "1 2 8:1 /a /etc/hosts rw - ext4 /dev/sda rw\nshort line\n", None),
    ],
)
def test_what_the_runtime_added_shows_in_the_container(
    tmp_path: Path, file: str, text: str, *, added: bool | None
) -> None:
    """Devices or libraries prove it. Nothing is unknown: the runtime may ignore containers without privileges."""
    write(tmp_path, file, text)
    assert read_added(tmp_path) is added


def test_this_machine_can_be_read() -> None:
    """The probe reads the real files of the machine that runs the tests."""
    facts = read_facts(Path("/"))
    assert facts.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    assert facts.architecture == {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
