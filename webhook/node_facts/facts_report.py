"""A report of node facts: one JSON object, small enough for a container's termination message.

Source: https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure/
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Self

from webhook.kube.values import empty_mapping

# The kubelet cuts a termination message here.
MAX_BYTES = 4096
# Readers ignore a report of another version.
FORMAT_VERSION = 1
# A node has at most some dozens of GPUs, and few drivers.
MAX_DRIVERS = 8
MAX_GPUS = 1024
NVIDIA_DRIVER = "nvidia"
NO_DRIVER = "none"
BOOT_ID = re.compile(r"[0-9A-Za-z-]{1,64}")
WORD = re.compile(r"[0-9A-Za-z_.-]{1,64}")


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What one pod saw of its node.

    ``gpus`` counts NVIDIA's PCI devices of display class by the driver bound to each (``nvidia``, ``vfio-pci``,
    ``nouveau``, ``none``; ``nvidia-vgpu`` is NVIDIA's driver for hosts of virtual machines). ``driver_version`` is the
    loaded module's, empty where none is loaded. ``has_mig`` says that MIG devices exist. ``added`` says whether the
    default runtime added GPU devices or the driver's libraries to a container that asked for all GPUs; None where that
    is not known.
    """

    boot_id: str = ""
    architecture: str = ""
    gpus: Mapping[str, int] = field(default_factory=empty_mapping)
    driver_version: str = ""
    is_tegra: bool = False
    is_wsl: bool = False
    has_mig: bool = False
    added: bool | None = None

    def to_text(self) -> str:
        """Return the report as JSON."""
        return json.dumps(
            {
                "version": FORMAT_VERSION,
                "bootID": self.boot_id,
                "architecture": self.architecture,
                "gpus": dict(sorted(self.gpus.items())),
                "driverVersion": self.driver_version,
                "tegra": self.is_tegra,
                "wsl": self.is_wsl,
                "mig": self.has_mig,
                "added": self.added,
            },
            separators=(",", ":"),
        )

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read a report; None where the text is none: foreign, damaged, too long, or of another version."""
        found = _parse(text) if len(text) <= MAX_BYTES else None
        return found if isinstance(found, cls) else None

    def with_runtime(self, *, added: bool | None) -> "NodeFacts":
        """Return the facts with another container's answer to what the default runtime adds."""
        return replace(self, added=added)

    @property
    def shows_gpu(self) -> bool | None:
        """Whether containers can have an NVIDIA GPU here; None where that is not known.

        A GPU without a driver may get one later. Under WSL2 the GPU is not NVIDIA's PCI device.
        """
        if self.gpus.get(NVIDIA_DRIVER) or self.is_tegra or self.added:
            return True
        return None if self.is_wsl or self.gpus.get(NO_DRIVER) else False


# Nodes that boot together with one image report the same but for the boot ID; a list repeats what was read before.
@lru_cache(maxsize=256)
def _parse(text: str) -> NodeFacts | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or found.get("version") != FORMAT_VERSION:
        return None
    try:
        return NodeFacts(
            boot_id=_word(found, "bootID", BOOT_ID),
            architecture=_word(found, "architecture"),
            gpus=_counts(found.get("gpus")),
            driver_version=_word(found, "driverVersion"),
            is_tegra=found.get("tegra") is True,
            is_wsl=found.get("wsl") is True,
            has_mig=found.get("mig") is True,
            added=found.get("added") if isinstance(found.get("added"), bool) else None,
        )
    except ValueError:
        return None


def _word(found: Mapping[str, Any], key: str, pattern: re.Pattern[str] = WORD) -> str:
    value = found.get(key, "")
    if not isinstance(value, str) or (value and not pattern.fullmatch(value)):
        raise ValueError(key)
    return value


def _counts(value: object) -> Mapping[str, int]:
    if not isinstance(value, dict) or len(value) > MAX_DRIVERS:
        raise ValueError("gpus")
    for driver, count in value.items():
        # A bool is an int to Python.
        if not WORD.fullmatch(driver) or type(count) is not int or not 0 < count <= MAX_GPUS:
            raise ValueError("gpus")
    return value
