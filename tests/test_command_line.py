"""The command line as a whole: help that teaches, version, completion, and the plugin of kubectl."""

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from webhook.__main__ import main

SCRIPTS = Path(sys.executable).parent


def commands(group: click.Group = main, *before: str) -> list[list[str]]:
    """Return the words of every command."""
    found = []
    for name, command in group.commands.items():
        found += commands(command, *before, name) if isinstance(command, click.Group) else [[*before, name]]
    return found


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_says_what_it_is_for(words: list[str]) -> None:
    """In a sentence, which the list of commands shows, too."""
    result = CliRunner().invoke(main, [*words, "--help"])
    assert result.exit_code == 0
    assert result.stdout.startswith(f"Usage: main {' '.join(words)}")
    assert "." in result.stdout.split("\n\n")[1]


@pytest.mark.parametrize("script", ["gpu-injector", "kubectl-gpu_injector"])
def test_the_scripts_tell_their_version(script: str) -> None:
    """As ``kubectl gpu-injector`` kubectl runs the ``kubectl-gpu_injector`` that it finds on the PATH."""
    done = subprocess.run([SCRIPTS / script, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("gpu-injector, version ")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_for_the_shell_is_printed(shell: str) -> None:
    """It asks the command itself for what completes a line."""
    assert "_GPU_INJECTOR_COMPLETE" in CliRunner().invoke(main, ["completion", shell]).stdout


def test_words_are_completed() -> None:
    """As the script asks."""
    environment = {
        **os.environ,
        "_GPU_INJECTOR_COMPLETE": "bash_complete",
        "COMP_WORDS": "gpu-injector prev",
        "COMP_CWORD": "1",
    }
    done = subprocess.run([SCRIPTS / "gpu-injector"], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "plain,preview\n"
