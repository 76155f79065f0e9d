"""Kubernetes' part of a node: the kubelet, kube-proxy, and the scheduler."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from e2e.control_plane import LOOPBACK, ControlPlane, Programs
from e2e.node.sandbox import Sandbox
from e2e.processes import Started, started

CONFIG = Path(__file__).with_name("config") / "kubelet.yaml"
NODE = "gpu-node"


@contextmanager
def kubelet(plane: ControlPlane, inside: Sandbox, folder: Path, *, cgroup_root: str) -> Iterator[Started]:
    """Run the kubelet until the context ends; its node is Ready when the context begins."""
    config = folder / "kubelet.json"
    config.write_text(json.dumps({**yaml.safe_load(CONFIG.read_text()), "cgroupRoot": cgroup_root}))
    flags = {
        "config": config,
        "kubeconfig": plane.kubectl.kubeconfig,
        "hostname-override": NODE,
        "node-ip": inside.address,
    }
    command = inside.command("kubelet", *_flags(flags))
    with started("kubelet", command, inside.logs, environment=inside.environment) as process:
        process.wait_until(lambda: _is_ready(plane), "makes its node Ready")
        yield process


@contextmanager
def proxy(plane: ControlPlane, inside: Sandbox) -> Iterator[Started]:
    """Run kube-proxy until the context ends."""
    flags = {
        "kubeconfig": plane.kubectl.kubeconfig,
        "hostname-override": NODE,
        "proxy-mode": "nftables",
        "cluster-cidr": inside.pod_subnet,
        # The limit is the whole machine's.
        "conntrack-max-per-core": 0,
    }
    command = inside.command("kube-proxy", *_flags(flags))
    with started("kube-proxy", command, inside.logs, environment=inside.environment) as process:
        yield process


@contextmanager
def scheduler(plane: ControlPlane, programs: Programs, logs: Path) -> Iterator[Started]:
    """Run the scheduler, which needs no node to run on, until the context ends."""
    flags = {
        "kubeconfig": plane.kubectl.kubeconfig,
        "leader-elect": "false",
        "bind-address": LOOPBACK,
        "secure-port": 0,
    }
    with started("kube-scheduler", [programs["kube-scheduler"], *_flags(flags)], logs) as process:
        yield process


def _is_ready(plane: ControlPlane) -> bool:
    printed = plane.kubectl.attempt("wait", f"node/{NODE}", "--for=condition=Ready", "--timeout=1s")
    return printed.code == 0


def _flags(flags: dict[str, object]) -> list[str]:
    return [f"--{name}={value}" for name, value in flags.items()]
