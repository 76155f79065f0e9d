"""Resources by which whole GPUs, or virtual ones, are given to virtual machines.

Such a GPU is bound to another driver (vfio-pci, or that of vGPU), so containers cannot use it. NVIDIA's plugins for
KubeVirt and Kata name a resource after the device: ``nvidia.com/GK110BGL_TESLA_K40M``, ``nvidia.com/GRID_T4-1Q``.
Sources: docs/platform-facts.md.
"""

from collections.abc import Iterable

PREFIX = "nvidia.com/"
# Names that administrators and Kata's plugin use instead of the device's.
ALIASES = frozenset({"nvidia.com/pgpu"})


def is_passthrough_resource(name: str) -> bool:
    """Say whether a resource gives GPUs to virtual machines: resources for containers have no capital letter."""
    return name in ALIASES or (name.startswith(PREFIX) and name != name.lower())


def passthrough_resource(names: Iterable[str]) -> str:
    """Return the first resource that gives GPUs to virtual machines, empty for none."""
    return next((name for name in sorted(names) if is_passthrough_resource(name)), "")
