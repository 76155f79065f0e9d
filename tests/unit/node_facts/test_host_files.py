"""What the probe reads of a host's files."""

import os
from pathlib import Path

import pytest
from support.host_tree import AUDIO, OPEN_VERSION, write, write_host, write_pci

from webhook.node_facts.host_files import read_added, read_facts


def test_a_host_without_files_shows_nothing(tmp_path: Path) -> None:
    """A file that cannot be read says nothing, and raises nothing."""
    facts = read_facts(tmp_path)
    assert (facts.gpus, facts.driver_version, facts.boot_id) == ({}, "", "")
    assert facts.shows_gpu is False


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


def test_only_nvidias_display_devices_are_gpus(tmp_path: Path) -> None:
    """The audio function of a GPU, and the GPU of another vendor, are none of NVIDIA's GPUs."""
    write_host(tmp_path, ["nvidia"])
    write_pci(tmp_path, ["snd_hda_intel"], pci_class=AUDIO)
    write_pci(tmp_path, ["amdgpu"], vendor="0x1002")
    assert dict(read_facts(tmp_path).gpus) == {"nvidia": 1}


@pytest.mark.parametrize(
    ("file", "text", "version"),
    [
        ("proc/driver/nvidia/version", OPEN_VERSION.format("550.54.15"), "550.54.15"),
        ("proc/driver/nvidia/version", OPEN_VERSION.format("570.86"), "570.86"),
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


def test_under_wsl_the_gpu_is_not_known(tmp_path: Path) -> None:
    """The GPU of WSL2 is a paravirtual device of Microsoft's."""
    facts = read_facts(write_host(tmp_path, kernel="5.15.153.1-microsoft-standard-WSL2"))
    assert facts.is_wsl
    assert facts.shows_gpu is None


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
        ("dev/null", "", None),
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


def test_a_driver_with_an_odd_name_is_no_free_text(tmp_path: Path) -> None:
    """A report holds words alone."""
    write_host(tmp_path, ["a b"])
    assert dict(read_facts(tmp_path).gpus) == {"unknown": 1}


def test_this_machine_can_be_read() -> None:
    """The probe reads the real files of the machine that runs the tests."""
    facts = read_facts(Path("/"))
    assert facts.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    assert facts.architecture == {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
