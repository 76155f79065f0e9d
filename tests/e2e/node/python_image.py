"""An image with Python: this machine's own Debian package of it, for what runs as `python3 -c`."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

from e2e.node.archive import Image
from e2e.node.compile import needed_files

PYTHON = "localhost/python:1"
PROGRAM = Path("/usr/bin/python3")
# Large, and nothing here imports them.
LEFT_OUT = {"test", "idlelib", "lib2to3", "tkinter", "ensurepip", "pydoc_data", "turtledemo", "__pycache__"}


def python_image() -> Image:
    """Return an image with Python and its standard library."""
    where: list[str | Path] = [PROGRAM, "-c", "import sysconfig; print(sysconfig.get_path('stdlib'))"]
    library = Path(subprocess.run(where, capture_output=True, text=True, check=True).stdout.strip())
    files = {str(path): path for path in _files(library)} | {str(PROGRAM): PROGRAM}
    for path in (PROGRAM, *library.glob("lib-dynload/*.so")):
        files |= {str(needed): needed for needed in needed_files(path)}
    return Image(PYTHON, files, [str(PROGRAM)])


def _files(library: Path) -> Iterator[Path]:
    for path in library.rglob("*"):
        inside = path.relative_to(library).parts
        if path.is_file() and path.suffix in (".py", ".so") and not LEFT_OUT & set(inside):
            yield path
