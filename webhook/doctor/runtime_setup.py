"""How to configure NVIDIA's runtime in a node's container runtime: the exact lines for each kind of node."""

from enum import StrEnum

from webhook.doctor.fact import ApiObject
from webhook.kube.metadata import labels_of
from webhook.kube.values import mapping, text


class Runtime(StrEnum):
    """A kind of node, as its configuration differs."""

    CONTAINERD_1 = "containerd 1.x"
    CONTAINERD_2 = "containerd 2.x"
    K3S = "k3s"
    RKE2 = "RKE2"
    K0S = "k0s"
    MICROK8S = "MicroK8s"
    TALOS = "Talos"
    CRIO = "CRI-O"
    DOCKER = "Docker"
    UNKNOWN = "unknown"


K0S_FILE = "/etc/k0s/containerd.d/nvidia.toml"
BINARY = "/usr/bin/nvidia-container-runtime"
CRI_PLUGIN = {
    Runtime.CONTAINERD_1: "io.containerd.grpc.v1.cri",
    Runtime.CONTAINERD_2: "io.containerd.cri.v1.runtime",
}
CONFIGURE = "nvidia-ctk runtime configure --runtime=containerd"
# RKE2 and k3s look for the runtime when they start, and write the table themselves.
INSTALL_TOOLKIT = "apt-get install nvidia-container-toolkit (dnf, zypper) &&"
COMMANDS = {
    Runtime.CONTAINERD_1: f"{CONFIGURE} && systemctl restart containerd",
    Runtime.CONTAINERD_2: f"{CONFIGURE} && systemctl restart containerd",
    Runtime.K3S: f"{INSTALL_TOOLKIT} systemctl restart k3s   (k3s-agent on agents)",
    Runtime.RKE2: f"{INSTALL_TOOLKIT} systemctl restart rke2-server   (rke2-agent on agents)",
    # By hand: from 1.18 on nvidia-ctk writes to a folder of its own, which k0s does not read.
    Runtime.K0S: f"write these lines into {K0S_FILE}, then systemctl restart k0sworker",
    Runtime.MICROK8S: "microk8s enable nvidia",
    Runtime.TALOS: "add the system extensions nvidia-container-toolkit and nvidia-open-gpu-kernel-modules to the image",
    Runtime.CRIO: "nvidia-ctk runtime configure --runtime=crio && systemctl restart crio",
    Runtime.DOCKER: "nvidia-ctk runtime configure --runtime=docker && systemctl restart docker   (cri-dockerd before "
    "0.4 knows no runtime classes: upgrade it, or move the node to containerd)",
    Runtime.UNKNOWN: f"{CONFIGURE}, and restart the container runtime",
}


def runtime_of(node: ApiObject) -> Runtime:
    """Return which kind a node is, by what its kubelet reports."""
    info = mapping(mapping(node.get("status")).get("nodeInfo"))
    kubelet, runtime, system = (text(info.get(key)) for key in ("kubeletVersion", "containerRuntimeVersion", "osImage"))
    marks = {
        Runtime.K3S: "+k3s" in kubelet,
        Runtime.RKE2: "+rke2" in kubelet,
        Runtime.K0S: "+k0s" in kubelet,
        Runtime.MICROK8S: "microk8s.io/cluster" in labels_of(node),
        Runtime.TALOS: system.startswith("Talos"),
        Runtime.CRIO: runtime.startswith("cri-o://"),
        Runtime.DOCKER: runtime.startswith("docker://"),
        Runtime.CONTAINERD_2: runtime.startswith("containerd://2"),
        Runtime.CONTAINERD_1: runtime.startswith("containerd://1"),
    }
    return next((kind for kind, holds in marks.items() if holds), Runtime.UNKNOWN)


def handler_fix(node: ApiObject, handler: str) -> tuple[str, ...]:
    """Return the command for a node's administrator, and the lines that the configuration has afterwards."""
    kind = runtime_of(node)
    runtime = text(mapping(mapping(node.get("status")).get("nodeInfo")).get("containerRuntimeVersion"))
    generation = Runtime.CONTAINERD_1 if runtime.startswith("containerd://1") else Runtime.CONTAINERD_2
    command = COMMANDS[kind] if handler == "nvidia" else COMMANDS[kind].replace(CONFIGURE, _named(handler))
    if kind not in (Runtime.CONTAINERD_1, Runtime.CONTAINERD_2, Runtime.K3S, Runtime.RKE2, Runtime.K0S):
        return (command,)
    return (command, *_table(generation, handler, kind))


def _named(handler: str) -> str:
    return f"{CONFIGURE} --nvidia-runtime-name={handler}"


def _table(generation: Runtime, handler: str, kind: Runtime) -> tuple[str, ...]:
    places = {
        Runtime.K3S: "/var/lib/rancher/k3s/agent/etc/containerd/config.toml",
        Runtime.RKE2: "/var/lib/rancher/rke2/agent/etc/containerd/config.toml",
        Runtime.K0S: K0S_FILE,
    }
    table = f'plugins."{CRI_PLUGIN[generation]}".containerd.runtimes.{handler}'
    return (
        f"# {places.get(kind, '/etc/containerd/config.toml or conf.d/99-nvidia.toml')}, afterwards:",
        *(("version = 3",) if generation is Runtime.CONTAINERD_2 else ("version = 2",)),
        f"[{table}]",
        '  runtime_type = "io.containerd.runc.v2"',
        f"[{table}.options]",
        f'  BinaryName = "{BINARY}"',
    )
