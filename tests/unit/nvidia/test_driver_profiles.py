"""A driver profile matches only hosts for which its directory is correct."""

from collections.abc import Mapping

import pytest

from webhook.decide.nodes.kind import profiles
from webhook.nvidia.driver_directory import HostDriver, HostDrivers, host_driver, usr_root_works
from webhook.nvidia.driver_profiles import DEFAULT_PROFILES
from webhook.nvidia.special_hosts import special_host
from webhook.policy.load import parse_policy
from webhook.view.view import Node

DEBIAN_LIBRARIES = "/usr/lib/x86_64-linux-gnu"
GENERIC = "6.8.0-71-generic"
NO_LABELS: Mapping[str, str] = {}


def host(
    os_image: str, kernel: str = GENERIC, labels: Mapping[str, str] = NO_LABELS, architecture: str = "amd64"
) -> Node:
    """Return a node that reports this system."""
    return Node("n", labels=labels, os_image=os_image, kernel=kernel, architecture=architecture)


# The columns: osImage, directory, all libraries vouched for, a driver root with /usr works.
ORDINARY = [
    ("Ubuntu 22.04.5 LTS", DEBIAN_LIBRARIES, True, True),
    ("Ubuntu 24.04.3 LTS", DEBIAN_LIBRARIES, True, True),
    ("Ubuntu 25.10", DEBIAN_LIBRARIES, True, True),
    ("Ubuntu Noble Numbat (development branch)", DEBIAN_LIBRARIES, False, True),
    ("Linux Mint 22.2", DEBIAN_LIBRARIES, True, True),
    ("Linux Mint 21", DEBIAN_LIBRARIES, True, True),
    ("Pop!_OS 22.04 LTS", DEBIAN_LIBRARIES, False, True),
    ("Zorin OS 17.3", DEBIAN_LIBRARIES, False, True),
    ("elementary OS 8", DEBIAN_LIBRARIES, False, True),
    ("KDE neon User Edition", DEBIAN_LIBRARIES, False, True),
    ("Debian GNU/Linux 12 (bookworm)", DEBIAN_LIBRARIES, False, False),
    ("Debian GNU/Linux trixie/sid", DEBIAN_LIBRARIES, False, False),
    ("LMDE 6 (faye)", DEBIAN_LIBRARIES, False, False),
    ("Red Hat Enterprise Linux 9.6 (Plow)", "/usr/lib64", True, True),
    ("Red Hat Enterprise Linux 8.10 (Ootpa)", "/usr/lib64", True, True),
    ("Red Hat Enterprise Linux Server 7.9 (Maipo)", "/usr/lib64", True, True),
    ("Rocky Linux 9.6 (Blue Onyx)", "/usr/lib64", True, True),
    ("AlmaLinux 9.6 (Sage Margay)", "/usr/lib64", True, True),
    ("CentOS Linux 7 (Core)", "/usr/lib64", True, True),
    ("CentOS Stream 9", "/usr/lib64", True, True),
    ("Oracle Linux Server 9.6", "/usr/lib64", True, True),
    ("Amazon Linux 2", "/usr/lib64", False, True),
    ("Amazon Linux 2023.8.20250721", "/usr/lib64", False, True),
    ("Fedora Linux 42 (Server Edition)", "/usr/lib64", False, True),
    ("Fedora Linux 42.20250512.0 (Silverblue)", "/usr/lib64", False, True),
    ("Bazzite 42 (FROM Fedora Kinoite)", "/usr/lib64", False, True),
    ("SUSE Linux Enterprise Server 15 SP6", "/usr/lib64", False, True),
    ("SUSE Linux Enterprise Micro 5.5", "/usr/lib64", False, True),
    ("SUSE Linux Micro 6.1", "/usr/lib64", False, True),
    ("openSUSE Leap 15.6", "/usr/lib64", False, True),
    ("openSUSE Tumbleweed", "/usr/lib64", False, True),
    ("openSUSE MicroOS", "/usr/lib64", False, True),
    ("openEuler 22.03 (LTS-SP3)", "/usr/lib64", False, True),
    ("Kylin Linux Advanced Server V10 (Lance)", "/usr/lib64", False, True),
    ("Anolis OS 8.9", "/usr/lib64", False, True),
    ("Alibaba Cloud Linux 3.2104 U10 (OpenAnolis Edition)", "/usr/lib64", False, True),
    ("TencentOS Server 3.1 (Final)", "/usr/lib64", False, True),
    ("Gentoo Linux", "/usr/lib64", False, True),
    ("Arch Linux", "/usr/lib", False, True),
    ("Manjaro Linux", "/usr/lib", False, True),
    ("EndeavourOS", "/usr/lib", False, True),
    ("CachyOS", "/usr/lib", False, True),
    ("NixOS 24.11 (Vicuna)", "/run/opengl-driver/lib", False, False),
]


@pytest.mark.parametrize(("os_image", "directory", "complete", "usr_root"), ORDINARY)
def test_an_ordinary_host_has_one_known_directory(
    os_image: str,
    directory: str,
    complete: bool,  # noqa: FBT001
    usr_root: bool,  # noqa: FBT001
) -> None:
    """The table of systems."""
    node = host(os_image, "6.1.0-37-amd64" if os_image.startswith("Debian") else GENERIC)
    assert host_driver(node, DEFAULT_PROFILES) == HostDriver(directory, "x86_64-linux-gnu", complete)
    assert usr_root_works(node) is usr_root


UBUNTU, RHEL = "Ubuntu 24.04.3 LTS", "Red Hat Enterprise Linux 9.6 (Plow)"
DEBIAN = "Debian GNU/Linux 12 (bookworm)"
SPECIAL = [
    ("Red Hat Enterprise Linux CoreOS 418.94.202501221327-0", "5.14.0-427.el9.x86_64", {}, "CoreOS"),
    ("Red Hat Enterprise Linux CoreOS 9.6.20250611-0 (Plow)", "5.14.0-570.el9.x86_64", {}, "CoreOS"),
    ("CentOS Stream CoreOS 9.0.20250510-0", "5.14.0-575.el9.x86_64", {}, "CoreOS"),
    ("Fedora CoreOS 42.20250512.3.0", "6.14.6-300.fc42.x86_64", {}, "CoreOS"),
    (RHEL, "5.14.0-570.el9.x86_64", {"node.openshift.io/os_id": "rhel"}, "CoreOS"),
    ("Ubuntu Core 24", GENERIC, {}, "Ubuntu Core"),
    (UBUNTU, "6.8.0-1015-gke", {}, "GKE"),
    (UBUNTU, "6.8.0-1015-gcp", {"cloud.google.com/gke-nodepool": "gpu"}, "GKE"),
    (UBUNTU, GENERIC, {"cloud.google.com/gke-accelerator": "nvidia-l4"}, "GKE"),
    ("Container-Optimized OS from Google", "6.6.72+", {}, "COS"),
    (UBUNTU, "6.8.0-1030-azure", {"kubernetes.azure.com/cluster": "MC_x"}, "AKS"),
    ("Microsoft Azure Linux 3.0", "6.6.92.2-2.azl3", {"kubernetes.azure.com/agentpool": "gpu"}, "AKS"),
    ("Ubuntu 20.04.6 LTS", GENERIC, {"ibm-cloud.kubernetes.io/worker-pool-id": "x"}, "IBM Cloud"),
    ("Debian GNU/Linux 12 (bookworm)", "6.1.0-37-amd64", {"doks.digitalocean.com/gpu-brand": "nvidia"}, "DigitalOcean"),
    ("Huawei Cloud EulerOS 2.0 (x86_64)", "5.10.0-182", {}, "Huawei CCE"),
    (UBUNTU, GENERIC, {"cce.cloud.com/cce-nodepool": "gpu"}, "Huawei CCE"),
    (UBUNTU, GENERIC, {"nvidia.com/gpu.deploy.driver": "true"}, "driver container"),
    (RHEL, GENERIC, {"nvidia.com/gpu.deploy.driver": "paused-for-driver-upgrade"}, "driver container"),
    (UBUNTU, GENERIC, {"nvidia.com/gpu-driver-upgrade-state": "upgrade-done"}, "driver container"),
    ("Ubuntu 22.04.5 LTS", "5.15.148-tegra", {}, "Tegra"),
    (UBUNTU, "6.8.0-1007-nvidia-tegra", {}, "Tegra"),
    (UBUNTU, GENERIC, {"feature.node.kubernetes.io/cpu-model.vendor_id": "NVIDIA"}, "Tegra"),
    ("Talos (v1.11.2)", "6.12.48-talos", {}, "Talos"),
    ("Bottlerocket OS 1.44.0 (aws-k8s-1.32-nvidia)", "6.1.141", {}, "Bottlerocket"),
    ("Flatcar Container Linux by Kinvolk 4152.2.3 (Oklo)", "6.6.88-flatcar", {}, "Flatcar"),
    ("Debian GNU/Linux 12 (bookworm)", "6.12.15-production+truenas", {}, "TrueNAS"),
    ("Garden Linux 1592.9", "6.6.84-cloud-amd64", {}, "Garden Linux"),
    ("Docker Desktop", "6.10.14-linuxkit", {}, "Docker Desktop"),
    ("Windows Server 2022 Datacenter", "10.0.20348.3207", {}, "Windows"),
    (DEBIAN, GENERIC, {}, "container"),
    (DEBIAN, "6.8.0-1029-aws", {}, "container"),
    (DEBIAN, "6.8.0-1015-nvidia-64k", {}, "container"),
    (DEBIAN, "6.14.6-300.fc42.x86_64", {}, "container"),
    (UBUNTU, "6.12.48-1.el10.x86_64", {}, "container"),
    (UBUNTU, "6.1.141-155.222.amzn2023.x86_64", {}, "container"),
    (UBUNTU, "6.16.8-arch1-1", {}, "container"),
    (UBUNTU, "6.1.0-37-cloud-amd64", {}, "container"),
    (UBUNTU, "6.4.0-150600.23.60-default", {}, "container"),
]


@pytest.mark.parametrize(("os_image", "kernel", "labels", "kind"), SPECIAL)
def test_no_shipped_profile_matches_a_special_host(
    os_image: str, kernel: str, labels: Mapping[str, str], kind: str
) -> None:
    """Its driver is elsewhere, whatever its system is called."""
    node = host(os_image, kernel, labels)
    found = special_host(node)
    assert found is not None
    assert found.name == kind
    assert host_driver(node, DEFAULT_PROFILES) is None
    assert usr_root_works(node) is False


@pytest.mark.parametrize(
    ("os_image", "kernel"),
    [
        (UBUNTU, "6.8.0-1029-aws"),
        (UBUNTU, "5.15.0-1091-azure"),
        (UBUNTU, "6.11.0-1016-nvidia"),
        (UBUNTU, "6.10.0-061000-generic"),
        (UBUNTU, "6.8.12-4-pve"),
        (UBUNTU, "6.9.1-x64v3-xanmod1"),
        (UBUNTU, ""),
        (DEBIAN, "6.12.43+deb13-amd64"),
        (DEBIAN, "6.1.0-37-cloud-arm64"),
        (DEBIAN, "6.8.12-4-pve"),
        (DEBIAN, "6.12.48"),
        (RHEL, "6.9.1-1.el9.elrepo.x86_64"),
    ],
)
def test_a_machine_with_a_kernel_of_its_own_or_an_unknown_one_is_no_container(os_image: str, kernel: str) -> None:
    """Only a kernel of another distribution shows a container; who builds kernels is free to name them."""
    assert special_host(host(os_image, kernel)) is None


@pytest.mark.parametrize(
    "os_image",
    [
        "",
        "Alpine Linux v3.22",
        "CBL-Mariner/Linux",
        "Microsoft Azure Linux 3.0",
        "VMware Photon OS/Linux",
        "Kylin V10 SP1",
        "UnionTech OS Server 20 1060e",
        "Harvester v1.5.0",
        "Kairos v3.4.2",
        "Kali GNU/Linux Rolling",
        "Armbian 25.5.1 bookworm",
        "NVIDIA DGX OS 7.2.3",
        "SteamOS Holo",
        "Arch Linux ARM",
        "ubuntu 24.04",
        "Red Hat Enterprise Linux for Edge",
    ],
)
def test_an_unknown_system_has_no_directory(os_image: str) -> None:
    """Neither is it known whether a driver root works there."""
    assert host_driver(host(os_image), DEFAULT_PROFILES) is None
    assert usr_root_works(host(os_image)) is None


@pytest.mark.parametrize(
    ("os_image", "kernel", "labels"),
    [
        ("Debian GNU/Linux 12 (bookworm)", "6.8.12-11-pve", {}),
        (UBUNTU, "6.8.0-1030-azure", {}),
        (UBUNTU, "6.8.0-1029-gcp", {"topology.gke.io/zone": "europe-west4-a"}),
        ("Ubuntu 22.04.5 LTS", "5.15.0-1078-nvidia", {}),
        (UBUNTU, GENERIC, {"accelerator": "nvidia"}),
        (UBUNTU, GENERIC, {"nvidia.com/gpu.deploy.driver": "pre-installed"}),
        (UBUNTU, GENERIC, {"nvidia.com/gpu.deploy.driver": "false"}),
    ],
)
def test_relatives_of_special_hosts_keep_their_profile(os_image: str, kernel: str, labels: Mapping[str, str]) -> None:
    """Proxmox, virtual machines of clouds, DGX systems, and drivers that the host has itself."""
    found = host_driver(host(os_image, kernel, labels), DEFAULT_PROFILES)
    assert found is not None
    assert found.directory == DEBIAN_LIBRARIES


@pytest.mark.parametrize("kernel", ["5.15.167.4-microsoft-standard-WSL2", "6.6.87-microsoft-standard-WSL2+"])
def test_nvml_alone_does_not_suffice_on_wsl(kernel: str) -> None:
    """It needs libdxcore.so beside it."""
    node = host(UBUNTU, kernel)
    assert host_driver(node, DEFAULT_PROFILES) == HostDriver("/usr/lib/wsl/lib", "x86_64-linux-gnu", False, False)
    assert usr_root_works(node) is False


@pytest.mark.parametrize(
    ("architecture", "directory"), [("arm64", "/usr/lib/aarch64-linux-gnu"), ("riscv64", None), ("", None)]
)
def test_the_architecture_names_the_directory(architecture: str, directory: str | None) -> None:
    """An architecture without an NVIDIA driver has none."""
    found = host_driver(host(UBUNTU, architecture=architecture), DEFAULT_PROFILES)
    assert (found.directory if found else None) == directory


def test_the_administrators_profile_also_matches_special_hosts() -> None:
    """The policy knows better than the table, and many nodes are looked up as one is."""
    policy = parse_policy("drivers: [{osImage: 'Talos*', directory: /opt/nvidia/lib}]", "policy.yaml")
    node = host("Talos (v1.11.2)", "6.12.48-talos")
    expected = HostDriver("/opt/nvidia/lib", "x86_64-linux-gnu", complete=False)
    assert host_driver(node, profiles(policy)) == expected
    drivers = HostDrivers(profiles(policy))
    plain, managed = host(UBUNTU), host(UBUNTU, labels={"cloud.google.com/gke-nodepool": "gpu"})
    assert [drivers.of(each) for each in (node, plain, managed, plain)] == [
        expected,
        host_driver(plain, DEFAULT_PROFILES),
        None,
        host_driver(plain, DEFAULT_PROFILES),
    ]
