"""The commands of a document, typed into a shell in a folder of their own."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from support.doc_blocks import PROMPT, ROOT

PROGRAMS = Path(sys.executable).parent
# As kubectl diff: 1 is a difference, more is trouble.
TROUBLE = 2


def scratch(named: str, folder: Path) -> Path:
    """Copy the folder that a mark names; add ``deploy`` and the environment, as in a checkout after ``make setup``."""
    shutil.copytree(ROOT / named, folder)
    (folder / "deploy").symlink_to(ROOT / "deploy")
    (folder / ".venv").mkdir()
    (folder / ".venv" / "bin").symlink_to(PROGRAMS)
    return folder


def typed(command: str, folder: Path, *programs: Path, kubeconfig: Path = Path(os.devnull)) -> Iterator[str]:
    """Yield a command and what it prints, on standard error, too, as at a terminal.

    ``programs`` are folders in which more of them are found than ours.
    """
    path = os.pathsep.join((*map(str, programs), str(PROGRAMS), os.environ["PATH"]))
    # Wide, so that the lines of a page do not depend on the terminal.
    environment = {**os.environ, "PATH": path, "COLUMNS": "200", "KUBECONFIG": str(kubeconfig)}
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode < TROUBLE, f"{command}: exit code {done.returncode}\n{done.stdout}"
    yield PROMPT + command
    yield from done.stdout.splitlines()
