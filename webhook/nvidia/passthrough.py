"""Resources by which whole GPUs, or virtual ones, are given to virtual machines.

Such a GPU is bound to another driver (vfio-pci, or that of vGPU), so containers cannot use it. NVIDIA's plugins for
KubeVirt and Kata name a resource after the device: ``nvidia.com/GK110BGL_TESLA_K40M``, ``nvidia.com/GRID_T4-1Q``.
Sources: docs/platform-facts.md.
"""

from collections.abc import Iterable

PREFIX = "nvidia.com/"
# Parts of names that administrators and Kata's plugin use instead of the device's, with any domain.
WORDS = ("passthrough", "pgpu", "vfio")


def is_passthrough_resource(name: str) -> bool:
    """Say whether a resource gives GPUs to virtual machines: resources for containers have no capital letter."""
    return (name.startswith(PREFIX) and name != name.lower()) or _is_named_so(name.lower())


def _is_named_so(name: str) -> bool:
    # "vfio" alone may be a network card.
    return any(word in name for word in WORDS) and any(word in name for word in ("gpu", "nvidia"))


def passthrough_resource(names: Iterable[str]) -> str:
    """Return the first resource that gives GPUs to virtual machines, empty for none."""
    return next((name for name in sorted(names) if is_passthrough_resource(name)), "")
