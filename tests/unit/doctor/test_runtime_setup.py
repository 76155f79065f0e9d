"""The lines that doctor prints for a node's administrator, for each kind of node as its kubelet reports it."""

import pytest

from webhook.doctor.runtime_setup import COMMANDS, Runtime, handler_fix

CONFIGURE = "nvidia-ctk runtime configure --runtime=containerd"
TOOLKIT = "apt-get install nvidia-container-toolkit (dnf, zypper) && systemctl restart"
K0S = "/etc/k0s/containerd.d/nvidia.toml"
CONTAINERD = "/etc/containerd/config.toml or conf.d/99-nvidia.toml"
RANCHER = "/var/lib/rancher/{}/agent/etc/containerd/config.toml"


def node(runtime: str, kubelet: str = "v1.33.5") -> dict[str, object]:
    """Return what is looked at of a node."""
    return {"status": {"nodeInfo": {"containerRuntimeVersion": runtime, "kubeletVersion": kubelet}}}


def table(version: int, plugin: str, handler: str = "nvidia") -> list[str]:
    """Return the lines of containerd's configuration that define the handler."""
    return [
        f"version = {version}",
        f'[plugins."{plugin}".containerd.runtimes.{handler}]',
        '  runtime_type = "io.containerd.runc.v2"',
        f'[plugins."{plugin}".containerd.runtimes.{handler}.options]',
        '  BinaryName = "/usr/bin/nvidia-container-runtime"',
    ]


OLD, NEW = table(2, "io.containerd.grpc.v1.cri"), table(3, "io.containerd.cri.v1.runtime")


@pytest.mark.parametrize(
    ("found", "command", "file", "lines"),
    [
        (
            node("containerd://1.7.27"),
            f"{CONFIGURE} && systemctl restart containerd",
            CONTAINERD,
            OLD,
        ),
        (
            node("containerd://2.1.4"),
            f"{CONFIGURE} && systemctl restart containerd",
            CONTAINERD,
            NEW,
        ),
        (
            node("containerd://2.1.4-k3s1", "v1.33.5+k3s1"),
            f"{TOOLKIT} k3s   (k3s-agent on agents)",
            RANCHER.format("k3s"),
            NEW,
        ),
        (
            node("containerd://1.7.27-k3s1", "v1.31.9+rke2r1"),
            f"{TOOLKIT} rke2-server   (rke2-agent on agents)",
            RANCHER.format("rke2"),
            OLD,
        ),
        (
            node("containerd://1.7.27", "v1.33.5+k0s"),
            f"write these lines into {K0S}, then systemctl restart k0sworker",
            K0S,
            OLD,
        ),
    ],
    ids=["containerd 1.x", "containerd 2.x", "k3s", "rke2", "k0s"],
)
def test_the_lines_are_those_of_the_node(found: dict[str, object], command: str, file: str, lines: list[str]) -> None:
    """The command, the file that has the table afterwards, and the table."""
    assert handler_fix(found, "nvidia") == (command, f"# {file}, afterwards:", *lines)


def test_another_handler_is_named() -> None:
    """The policy's class may have any."""
    command, _, *lines = handler_fix(node("containerd://2.1.4"), "gpu")
    assert command == f"{CONFIGURE} --nvidia-runtime-name=gpu && systemctl restart containerd"
    assert lines == table(3, "io.containerd.cri.v1.runtime", "gpu")


@pytest.mark.parametrize(
    ("runtime", "command"),
    [
        ("cri-o://1.33.0", "nvidia-ctk runtime configure --runtime=crio && systemctl restart crio"),
        ("docker://24.0.7", COMMANDS[Runtime.DOCKER]),
        ("", f"{CONFIGURE}, and restart the container runtime"),
    ],
)
def test_what_is_not_containerd_has_no_table(runtime: str, command: str) -> None:
    """A line alone."""
    assert handler_fix(node(runtime), "nvidia") == (command,)
