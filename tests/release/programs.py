"""How the other modules run programs, and what they raise if one fails."""

import subprocess
from collections.abc import Mapping
from pathlib import Path


class ReleaseError(RuntimeError):
    """A release cannot be built, or is not what it should be; the message says what is wrong."""


def run(*command: object, cwd: Path | None = None, environment: Mapping[str, str] | None = None) -> str:
    """Run a program and return what it prints. Raises ReleaseError."""
    words = [str(part) for part in command]
    try:
        done = subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    except OSError as error:
        raise ReleaseError(f"{words[0]} cannot be started: {error}") from error
    if done.returncode != 0:
        raise ReleaseError(
            f"{' '.join(words[:4])}: exit code {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        )
    return done.stdout
