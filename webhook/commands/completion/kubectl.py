"""Completion for ``kubectl gpu-injector``: kubectl runs ``kubectl_complete-gpu_injector`` with the words of the line.

Source: https://kubernetes.io/docs/reference/kubectl/kubectl/ and cobra's protocol: a word in each line, then a
directive, 4 for "no files" and 0 for "files if there is no word".
"""

from collections.abc import Sequence

import click
from click.shell_completion import ShellComplete

FILES, NO_FILES = ":0", ":4"


def completions(command: click.Command, words: Sequence[str]) -> list[str]:
    """Return the lines for kubectl; the last of the words is the one to complete."""
    shell = ShellComplete(command, {}, "gpu-injector", "")
    found = shell.get_completions(list(words[:-1]), words[-1] if words else "")
    if any(item.type in ("file", "dir") for item in found):
        return [FILES]
    return [*(f"{item.value}\t{item.help}" if item.help else str(item.value) for item in found), NO_FILES]
