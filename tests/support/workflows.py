"""Checks the workflows with actionlint, which is built once outside the checkout: part of `make lint`."""

import subprocess
import sys
from pathlib import Path

import click
from e2e.binaries import BuildError, Program, build

ROOT = Path(__file__).parents[2]
ACTIONLINT = Program("actionlint", "actionlint", "github.com/rhysd/actionlint/cmd/actionlint")


def main() -> int:
    """Print what actionlint finds and return its exit code."""
    try:
        program = build(ACTIONLINT, click.echo)
    except BuildError as error:
        click.echo(str(error), err=True)
        return 1
    # Only what is pinned here takes part: no shellcheck that happens to be on PATH.
    return subprocess.run([program, "-shellcheck=", "-pyflakes=", "-color"], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
