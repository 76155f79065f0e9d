"""A file system that is mounted on the node, and the processes that keep such a mount."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from e2e.node.sandbox import Sandbox


@contextmanager
def mounted(node: Sandbox, folder: Path) -> Iterator[None]:
    """Mount a file system in a folder of the node until the context ends; the folder stays.

    A folder that is removed loses its mount everywhere. A CSI driver and an administrator unmount a disk in order to
    detach it, and the folder is still there then.
    """
    node.run("mkdir", "-p", folder)
    node.run("mount", "-t", "tmpfs", "disk", folder)
    try:
        yield
    finally:
        node.run("umount", folder)


def holders(folder: Path) -> list[int]:
    """Return the processes that see a mount in a folder of the node, by their number on this machine."""
    return [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/mountinfo") if f"{folder} " in _mounts(path)]


def _mounts(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        # The process has ended.
        return ""
