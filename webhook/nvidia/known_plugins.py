"""NVIDIA's device plugin and its companions, by the labels and containers of their pods, as found in the field.

Sources: docs/platform-facts.md, and the manifests at
https://github.com/NVIDIA/k8s-device-plugin/tree/main/deployments.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from posixpath import basename
from typing import Any

from webhook.kube.values import elements, text


class Role(StrEnum):
    """What a GPU management pod is for. Only the device plugin tells how GPUs are handed out."""

    DEVICE_PLUGIN = "device-plugin"
    FEATURE_DISCOVERY = "feature-discovery"
    MPS_CONTROL_DAEMON = "mps-control-daemon"
    EXPORTER = "exporter"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class KnownPlugin:
    """One way in which GPU management pods are found in the field: a label, and the container that it is about.

    ``manager`` names the software that manages such pods and would undo changes of others, empty if there is none;
    ``of_platform`` says that such a plugin brings the driver into pods by itself.
    """

    label: str
    value: str
    containers: frozenset[str]
    role: Role = Role.DEVICE_PLUGIN
    manager: str = ""
    of_platform: bool = False

    def matches(self, labels: Mapping[str, str], container: Mapping[str, Any]) -> bool:
        """Say whether a pod's labels and one of its containers are this plugin's."""
        # A mirrored image keeps neither registry nor name, so the container's name tells, or its command.
        return labels.get(self.label) == self.value and (
            text(container.get("name")) in self.containers
            or (
                self.role is Role.DEVICE_PLUGIN
                and PLUGIN_COMMAND in map(basename, islice(command_words(container), MAX_WORDS))
            )
        )


PLUGIN_COMMAND = "nvidia-device-plugin"
# The program is among the first words of command and arguments, or after a shell.
MAX_WORDS = 100
CHART_LABEL = "app.kubernetes.io/name"

# Containers that may be beside a plugin in its pod, and need NVML as well.
COMPANIONS = {
    "nvidia-device-plugin-ctr": Role.DEVICE_PLUGIN,
    "gpu-feature-discovery-ctr": Role.FEATURE_DISCOVERY,
    "gpu-feature-discovery": Role.FEATURE_DISCOVERY,
    "mps-control-daemon-ctr": Role.MPS_CONTROL_DAEMON,
    "dcgm-exporter": Role.EXPORTER,
    "vgpu-monitor": Role.EXPORTER,  # HAMi
}

KNOWN_PLUGINS = (
    KnownPlugin("name", "nvidia-device-plugin-ds", frozenset({"nvidia-device-plugin-ctr"})),
    KnownPlugin(CHART_LABEL, "nvidia-device-plugin", frozenset({"nvidia-device-plugin-ctr"})),
    KnownPlugin(CHART_LABEL, "nvidia-device-plugin", frozenset({"gpu-feature-discovery-ctr"}), Role.FEATURE_DISCOVERY),
    KnownPlugin(CHART_LABEL, "nvidia-device-plugin", frozenset({"mps-control-daemon-ctr"}), Role.MPS_CONTROL_DAEMON),
    KnownPlugin(CHART_LABEL, "gpu-feature-discovery", frozenset({"gpu-feature-discovery"}), Role.FEATURE_DISCOVERY),
    KnownPlugin(CHART_LABEL, "dcgm-exporter", frozenset({"dcgm-exporter", "exporter"}), Role.EXPORTER),
    KnownPlugin("app.kubernetes.io/component", "hami-device-plugin", frozenset({"device-plugin"})),
    KnownPlugin(
        "app", "nvidia-device-plugin-daemonset", frozenset({"nvidia-device-plugin"}), manager="the GPU Operator"
    ),
    KnownPlugin(
        "k8s-app",
        "nvidia-gpu-device-plugin",
        frozenset({"nvidia-gpu-device-plugin"}),
        manager="GKE",
        of_platform=True,
    ),
)


def companion_role(container: Mapping[str, Any]) -> Role | None:
    """Return what a container beside a plugin is for, None where it needs no NVML."""
    return COMPANIONS.get(text(container.get("name")))


def command_words(container: Mapping[str, Any]) -> Iterator[str]:
    """Yield the words of a container's command and arguments."""
    return (text(word) for field in ("command", "args") for word in elements(container.get(field)))
