"""The command line as a whole: help that teaches, version, completion, and the plugin of kubectl."""

import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from webhook.__main__ import main
from webhook.commands.shared.input_files import InputError, stdin_text

SCRIPTS = Path(sys.executable).parent


def commands(group: click.Group = main, *before: str) -> list[list[str]]:
    """Return the words of every command, groups included."""
    found = [list(before)]
    for name, command in group.commands.items():
        found += commands(command, *before, name) if isinstance(command, click.Group) else [[*before, name]]
    return found


def help_of(words: list[str]) -> str:
    """Return what ``--help`` prints."""
    result = CliRunner().invoke(main, [*words, "--help"], prog_name="gpu-injector")
    assert result.exit_code == 0
    return result.stdout


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_says_what_it_is_for(words: list[str]) -> None:
    """In a sentence, which the list of commands shows, too."""
    printed = help_of(words)
    assert printed.startswith(" ".join(["Usage: gpu-injector", *words]))
    assert "." in printed.split("\n\n")[1]


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_help_teaches_by_example(words: list[str]) -> None:
    """Each on a line of its own: what keeps click from joining them is the character, never its two letters."""
    printed = help_of(words)
    assert "\\b" not in printed
    assert all(line.count("gpu-injector ") < 2 for line in printed.splitlines()), printed
    example = " ".join(["gpu-injector", *words])
    assert re.search(rf"^ +(\S.* )?[<(]*{re.escape(example)}( |$)", printed.partition("\n")[2], re.MULTILINE), printed


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


def test_an_interruption_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not 1, which says that something would change, or does not work."""

    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("webhook.commands.policy.run.schema", interrupted)
    result = CliRunner().invoke(main, ["policy", "schema"])
    assert (result.exit_code, result.stderr) == (130, "Interrupted\n")


@pytest.mark.parametrize("words", [["policy", "schema"], ["demo"]])
def test_a_reader_that_has_enough_is_no_answer(words: list[str]) -> None:
    """As ``| head -1``: the code of a program that a closed pipe ends, not 1, and no message."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([SCRIPTS / "gpu-injector", *words], stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("words", [["policy", "schema"], ["demo"]])
def test_a_full_disk_is_one_line(words: list[str]) -> None:
    """And exit code 2: an output that is cut off is none."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([SCRIPTS / "gpu-injector", *words], stdout=full, stderr=subprocess.PIPE, check=False)
    expected = b"Error: the output could not be written: No space left on device\n"
    assert (done.returncode, done.stderr) == (2, expected)


def test_a_closed_standard_input_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """As ``<&-`` closes it."""
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(InputError, match="stdin: it is closed"):
        stdin_text()


def test_the_output_is_utf_8_whatever_the_locale_says() -> None:
    """The signs of doctor's checks, and manifests, which are nothing else."""
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    done = subprocess.run([SCRIPTS / "gpu-injector", "preview", "-h"], env=environment, capture_output=True, check=True)
    assert "…" in done.stdout.decode()
