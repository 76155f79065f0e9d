"""The control groups that the node's pods live in: below a folder of their own, which goes when the node does.

Both versions are served: one hierarchy for everything (v2), or one for each controller (v1).
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from e2e.processes import until

MOUNT = Path("/sys/fs/cgroup")
PREFIX = "gpu-injector-e2e-"
NEEDED_IN_V2 = "+cpuset +cpu +memory +pids"


@contextmanager
def cgroup_root() -> Iterator[str]:
    """Make a control group in every hierarchy, and remove it with all below it; return its path, such as ``/name``."""
    remove_abandoned()
    folders = [hierarchy / f"{PREFIX}{os.getpid()}" for hierarchy in _hierarchies()]
    for folder in folders:
        folder.mkdir()
        _share_controllers(folder)
    try:
        yield f"/{folders[0].name}"
    finally:
        # A killed process is in its group until the kernel has taken it down.
        until(lambda: all(_removed(folder) for folder in folders), "the control groups are empty")


def _hierarchies() -> list[Path]:
    if (MOUNT / "cgroup.controllers").exists():
        return [MOUNT]
    return [folder for folder in MOUNT.iterdir() if (folder / "cgroup.procs").exists() and not folder.is_symlink()]


def _share_controllers(folder: Path) -> None:
    """Make a new group one that pods can be put below."""
    if folder.parent == MOUNT:
        for parent in (folder.parent, folder):
            (parent / "cgroup.subtree_control").write_text(NEEDED_IN_V2)
    # A pod that requests little would wait long beside many tests: its share is of this group's.
    for name, share in (("cpu.shares", "10240"), ("cpu.weight", "1000")):
        if (folder / name).exists():
            (folder / name).write_text(share)
    # A v1 cpuset accepts no process before it has CPUs and memory.
    for name in ("cpuset.cpus", "cpuset.mems"):
        if (folder / name).exists() and not (folder / name).read_text().strip():
            (folder / name).write_text((folder.parent / name).read_text())


def _removed(folder: Path) -> bool:
    if not folder.exists():
        return True
    try:
        for group, _, _ in os.walk(folder, topdown=False):
            Path(group).rmdir()
    except OSError:
        return False
    return True


def remove_abandoned() -> None:
    """Remove what tests left that were killed: no process of that number is there any more."""
    for hierarchy in _hierarchies():
        for folder in hierarchy.glob(f"{PREFIX}*"):
            if not Path("/proc", folder.name.removeprefix(PREFIX)).exists():
                _removed(folder)
