"""GPU nodes without a kubelet: Node objects as a kubelet registers them, in pools that pods select by label.

A pool stands for one kind of cluster, so that one control plane shows them all at once.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from e2e.device_plugins import PLUGIN_LABEL, device_plugins
from e2e.kubectl import Kubectl, Manifest, as_list
from e2e.pods import GPU

POOL_LABEL = "example.com/pool"
ACCELERATOR_LABEL = "example.com/accelerator"

UBUNTU = "Ubuntu 24.04.3 LTS"
ROCKY = "Rocky Linux 9.6 (Blue Onyx)"
DEBIAN = "Debian GNU/Linux 12 (bookworm)"
FLATCAR = "Flatcar Container Linux by Kinvolk 4230.2.3"

CONTAINERD = "containerd://2.1.4"
# The handlers that a kubelet reports, by name; nothing if the runtime is too old.
NVIDIA = ("", "runc", "nvidia")
RUNC = ("", "runc")
UNREPORTED = ()


@dataclass(frozen=True, slots=True)
class Machine:
    """The report of a node; ``plugin`` names the device plugin that runs there, empty for none.

    ``gpus`` is how many it offers, empty where its plugin never registered.
    """

    handlers: Sequence[str]
    plugin: str = ""
    os_image: str = UBUNTU
    runtime: str = CONTAINERD
    labels: Mapping[str, str] = field(default_factory=dict)
    gpus: str = "2"


POOLS: Mapping[str, Sequence[Machine]] = {
    "proven": [Machine(NVIDIA)],
    "accelerated": [Machine(NVIDIA, labels={ACCELERATOR_LABEL: "nvidia"})],
    "unreported": [Machine(UNREPORTED)],
    "runc-only": [Machine(RUNC)],
    "docker": [Machine(UNREPORTED, runtime="docker://24.0.7")],
    "half-proven": [Machine(NVIDIA), Machine(RUNC)],
    "under-class": [Machine(UNREPORTED, "class")],
    # Another kind of node than those without a plugin: what is observed on one kind counts for all of its nodes.
    "platform": [Machine(UNREPORTED, "plain", "Ubuntu 22.04.5 LTS")],
    "cdi": [Machine(NVIDIA, "cdi")],
    "two-providers": [Machine(NVIDIA, "cdi"), Machine(NVIDIA)],
    "mounted": [Machine(RUNC, "mount-debian")],
    "mounted-unreported": [Machine(UNREPORTED, "mount-debian")],
    "mounted-rocky": [Machine(RUNC, "mount-rhel", ROCKY)],
    "mounted-without-devices": [Machine(RUNC, "mount-without-devices")],
    "two-systems": [Machine(RUNC, "mount-debian"), Machine(RUNC, "mount-rhel", ROCKY)],
    "unknown-system": [Machine(RUNC, "mount-rhel", FLATCAR)],
    "split-packages": [Machine(RUNC, "mount-debian", DEBIAN)],
    # The last one in every watched list: if it is known, all others are.
    "zz-last": [Machine(UNREPORTED, "plain", "Ubuntu 22.04.5 LTS")],
}


@contextmanager
def gpu_nodes(kubectl: Kubectl, pools: Mapping[str, Sequence[Machine]]) -> Iterator[None]:
    """Have the nodes of some pools, and the device plugins that run on them, until the context ends."""
    nodes = [
        node(pool, number, machine) for pool, machines in pools.items() for number, machine in enumerate(machines, 1)
    ]
    # Whatever creates a Node may write its status, as a kubelet does when it registers.
    kubectl.run("create", "-f", "-", stdin=as_list(nodes))
    # Admission marks each new node so until its kubelet says otherwise.
    kubectl.run("taint", "nodes", "--selector", POOL_LABEL, "node.kubernetes.io/not-ready:NoSchedule-")
    try:
        plugins = {name_of(one): plugin_of(one) for one in nodes if plugin_of(one)}
        with device_plugins(kubectl, plugins) if plugins else nullcontext():
            yield
    finally:
        kubectl.run("delete", "nodes", "--selector", POOL_LABEL)


def node(pool: str, number: int, machine: Machine) -> dict[str, Any]:
    """Return a node of a pool."""
    name = f"{pool}-{number}"
    labels = {POOL_LABEL: pool, PLUGIN_LABEL: machine.plugin, "kubernetes.io/hostname": name, **machine.labels}
    resources = {"cpu": "16", "memory": "64Gi", "pods": "110"} | ({GPU: machine.gpus} if machine.gpus else {})
    status = {
        "capacity": resources,
        "allocatable": resources,
        "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}],
        "nodeInfo": _info(machine),
        "runtimeHandlers": runtime_handlers(machine.handlers),
    }
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}, "status": status}


def runtime_handlers(names: Iterable[str]) -> list[dict[str, Any]]:
    """Return ``status.runtimeHandlers`` of a node whose runtime has these handlers."""
    return [{"name": name, "features": {"recursiveReadOnlyMounts": True}} for name in names]


def name_of(item: Manifest) -> str:
    """Return the name of an object."""
    name: str = item["metadata"]["name"]
    return name


def plugin_of(item: Manifest) -> str:
    """Return the device plugin that runs on a node, empty for none."""
    plugin: str = item["metadata"]["labels"][PLUGIN_LABEL]
    return plugin


def _info(machine: Machine) -> dict[str, str]:
    return {
        "osImage": machine.os_image,
        "containerRuntimeVersion": machine.runtime,
        "architecture": "amd64",
        "operatingSystem": "linux",
        # A kernel of another distribution would show that the node is a container.
        "kernelVersion": "6.1.0-37-amd64" if machine.os_image == DEBIAN else "6.8.0-85-generic",
        "kubeletVersion": "v1.33.5",
        "machineID": "",
        "systemUUID": "",
        "bootID": "",
        "kubeProxyVersion": "",
    }
