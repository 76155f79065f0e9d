"""What ``demo`` suggests to do next: commands that work as printed in a new shell, in any folder."""

import os
import shlex
import shutil
import sys
from pathlib import Path

PROGRAM = "gpu-injector"

TEXT = """
What to try next (each command works in a new shell)
  Edit {view} or a pod beside it, and run this again:
    {program} demo --examples {folder}
  One pod, or your own file in its place:
    {program} preview -f {pod} --view {view}
  Your cluster, with your kubeconfig:
    {program} view > view.yaml
    {program} preview -f {pod} --view view.yaml
  Install it: the README says how, under "Install".
"""


def next_steps(folder: Path, program: str, pod: Path) -> str:
    """Return the text; all paths are absolute."""
    paths = {"folder": folder, "view": folder / "view.yaml", "pod": pod}
    return TEXT.format(program=program, **{name: shlex.quote(str(path)) for name, path in paths.items()})


def program_as_typed() -> str:
    """Return how a new shell starts this program: by its name only if it is on the user's own PATH."""
    started = Path(sys.argv[0]).absolute()
    if started.name != PROGRAM:
        return f"{shlex.quote(sys.executable)} -m webhook"
    found = shutil.which(PROGRAM)
    # An activated environment is on PATH in its own shell only.
    if found and Path(found).samefile(started) and "VIRTUAL_ENV" not in os.environ:
        return PROGRAM
    return shlex.quote(str(started))
