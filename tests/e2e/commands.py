"""Our own command line, run against a control plane as a user runs it."""

import os
import subprocess
import sys
from pathlib import Path

from e2e.kubectl import Printed

TIMEOUT_SECONDS = 300


def gpu_injector(command: str, *arguments: str, kubeconfig: Path) -> Printed:
    """Run one of our commands with a kubeconfig, and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "webhook", command, *arguments, "--kubeconfig", str(kubeconfig)],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
        env={**os.environ, "COLUMNS": "160"},
    )
    return Printed(done.returncode, done.stdout, done.stderr)
