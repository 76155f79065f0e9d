"""The programs of a node and of what runs on it: more rows for ``e2e.binaries``, which builds them."""

from pathlib import Path

from e2e.binaries import STRIPPED, Program, kubernetes, module_sources, pinned_version

PLUGIN = "github.com/NVIDIA/k8s-device-plugin"
HELM = Program("helm", "node-tools", "helm.sh/helm/v4/cmd/helm")

CONTAINERD_PROGRAMS = ("containerd", "containerd-shim-runc-v2", "ctr")
# The incident's containerd, and a current one.
CONTAINERD_1 = tuple(
    Program(name, "containerd-1.7", f"github.com/containerd/containerd/cmd/{name}") for name in CONTAINERD_PROGRAMS
)
CONTAINERD_2 = tuple(
    Program(name, "node-tools", f"github.com/containerd/containerd/v2/cmd/{name}") for name in CONTAINERD_PROGRAMS
)
NVIDIA_TOOLKIT = tuple(
    Program(name, "node-tools", f"github.com/NVIDIA/nvidia-container-toolkit/cmd/{name}", cgo=True)
    for name in ("nvidia-container-runtime", "nvidia-ctk")
)


def node_programs(minor: str) -> tuple[Program, ...]:
    """Return Kubernetes' programs for a node and its pods, of this minor version."""
    return tuple(kubernetes(name, minor) for name in ("kubelet", "kube-proxy", "kube-scheduler"))


def plugin_version(minor: str) -> str:
    """Return the pinned version of NVIDIA's device plugin with this minor version, such as ``0.14.5``."""
    return pinned_version(_plugin_module(minor), PLUGIN)


def device_plugin(minor: str) -> Program:
    """Return NVIDIA's device plugin, which reports the version that its module pins."""
    link = f"{STRIPPED} -X {PLUGIN}/internal/info.version=v{plugin_version(minor)}"
    return Program("nvidia-device-plugin", _plugin_module(minor), f"{PLUGIN}/cmd/nvidia-device-plugin", link, cgo=True)


def plugin_sources(minor: str) -> Path:
    """Return the folder with NVIDIA's sources of the device plugin. Raises BuildError."""
    return module_sources(_plugin_module(minor), PLUGIN)


def _plugin_module(minor: str) -> str:
    return f"device-plugin-{minor}"
