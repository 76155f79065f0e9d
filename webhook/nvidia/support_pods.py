"""Pods that bring what a device plugin needs: the driver, NVIDIA's runtime, MIG devices, MPS, and DRA's driver.

Sources: the manifests of the GPU Operator, of NVIDIA's charts and of GKE's driver installer.
"""

import re
from collections.abc import Mapping
from enum import StrEnum

from webhook.nvidia.known_plugins import CHART_LABEL


class Support(StrEnum):
    """What a pod brings, in the order in which one needs the other."""

    OPERATOR = "GPU Operator"
    DRIVER = "driver"
    TOOLKIT = "container toolkit"
    MIG = "MIG manager"
    MPS = "MPS control daemon"
    DRA = "DRA driver"
    VALIDATION = "operator's test pod"
    VALIDATOR = "operator's validator"


# Label, and the beginning of its value -> what the pod brings.
LABELS = (
    ("app", "nvidia-driver-daemonset", Support.DRIVER),
    ("app.kubernetes.io/component", "nvidia-driver", Support.DRIVER),
    ("k8s-app", "nvidia-driver-installer", Support.DRIVER),
    ("app", "nvidia-container-toolkit-daemonset", Support.TOOLKIT),
    ("app", "nvidia-mig-manager", Support.MIG),
    ("app", "nvidia-device-plugin-mps-control-daemon", Support.MPS),
    ("app.kubernetes.io/component", "nvidia-device-plugin-mps-control-daemon", Support.MPS),
    ("nvidia-dra-driver-gpu-component", "", Support.DRA),
    ("dra-driver-nvidia-gpu-component", "", Support.DRA),
    (CHART_LABEL, "nvidia-dra-driver-gpu", Support.DRA),
    (CHART_LABEL, "dra-driver-nvidia-gpu", Support.DRA),
    ("app", "nvidia-cuda-validator", Support.VALIDATION),
    ("app", "nvidia-device-plugin-validator", Support.VALIDATION),
    ("app", "nvidia-operator-validator", Support.VALIDATOR),
    ("app", "gpu-operator", Support.OPERATOR),
)
LONGEST_LOG = 256 * 1024
# All repetitions are bounded; the first that matches counts.
FIXES = tuple(
    (re.compile(pattern), fix)
    for pattern, fix in (
        (
            r"Key was rejected by service|Required key not available|module with unavailable key",
            "Secure Boot refuses the driver's module: use a signed driver of the distribution, or turn Secure Boot off",
        ),
        (
            r"open kernel modules|kernel module type[^\n]{0,80}open",
            (
                "this GPU needs NVIDIA's open kernel modules: install the packages with -open, or set "
                "driver.kernelModuleType=open in the GPU Operator"
            ),
        ),
        (
            r"(?i:nouveau)",
            "the module nouveau keeps the GPU: blacklist it on the node, rebuild the initramfs, and reboot",
        ),
        (
            (
                r"[Cc]ould not resolve Linux kernel version|Unable to locate package linux-|kernel-(?:headers|devel)-"
                r"|Couldn't find any package by glob 'linux-|Unable to find a match: kernel"
            ),
            (
                "there are no headers for the node's kernel: boot a kernel that the package repositories have, or "
                "install the driver on the node and set driver.enabled=false in the GPU Operator"
            ),
        ),
        (
            r"driver is in use|[Mm]odule nvidia\w{0,20} is in use",
            "pods on the node still use the driver: drain it, or delete its GPU pods",
        ),
        (
            r"cannot delete Pods|error when evicting pods|[Ff]ailed to drain|[Uu]nable to cleanup driver modules",
            (
                "the driver cannot be unloaded while pods use it: delete the pods that the log names, or drain the "
                "node, then delete the driver's pod"
            ),
        ),
        (
            r"(?i:driver (?:is )?(?:already|pre-?)(?: |-)?installed|already loaded(?! with refcount))",
            "the node has a driver of its own: set driver.enabled=false in the GPU Operator",
        ),
        (
            r"(?i:system not yet initialized|fabric ?manager[^\n]{0,80}(?:fail|error|not running|inactive|mismatch))",
            (
                "the fabric manager does not run: on the node, systemctl enable --now nvidia-fabricmanager (of the "
                "driver's own version)"
            ),
        ),
        (
            r"driver version is insufficient for CUDA|unsupported display driver",
            "the driver is older than the test needs: set a newer driver.version in the GPU Operator, or upgrade it",
        ),
        (
            r"no CUDA-capable device|CUDA_ERROR_UNKNOWN|error code unknown error",
            (
                "CUDA finds no usable GPU: on the node, nvidia-smi and dmesg | grep -i -e nvrm -e xid; reboot the node "
                "after a change of its driver"
            ),
        ),
        (
            r"nvidia-smi[^\n]{0,60}(?:not found|No such file|cannot find)|failed to run command [^\n]{0,4}nvidia-smi",
            (
                "the node has no driver where the operator looks: install it there, or set driver.enabled=true in "
                "the GPU Operator"
            ),
        ),
        (
            r"(?i:temporary failure (?:in name resolution|resolving)|could not resolve host|failed to fetch)",
            "the pod reaches no package repository: see DNS and the proxy (driver.env in the GPU Operator)",
        ),
        (
            r"unable to load config: [^\n]{0,200}(?:unexpected|template|cannot contain)",
            (
                "CONTAINERD_CONFIG names a template, which the toolkit cannot read: set it to config.toml itself (k3s, "
                "RKE2: /var/lib/rancher/.../agent/etc/containerd/config.toml), or toolkit.enabled=false, as these find "
                "NVIDIA's runtime by themselves"
            ),
        ),
        (
            r"(?i:containerd|config\.toml|docker\.sock|crio)[^\n]{0,200}(?i:no such file|unable to|failed|refused)",
            (
                "the container runtime's files are elsewhere: set CONTAINERD_CONFIG and CONTAINERD_SOCKET in the GPU "
                "Operator's toolkit.env (k3s, RKE2 and MicroK8s have paths of their own)"
            ),
        ),
    )
)


def support_of(labels: Mapping[str, str]) -> Support | None:
    """Return what a pod with these labels brings, None for other pods."""
    return next((one for key, value, one in LABELS if key in labels and labels[key].startswith(value)), None)


def fix_in_log(log: str) -> str:
    """Return what helps against the problem that a log of such a pod shows, empty where none is known."""
    end = log[-LONGEST_LOG:]
    return next((fix for pattern, fix in FIXES if pattern.search(end)), "")
