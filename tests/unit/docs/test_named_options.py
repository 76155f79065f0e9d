"""Commands, options, values of the chart and metrics that the documents name: the code has them."""

import re
import shlex
from collections.abc import Iterator
from functools import cache
from typing import Any

import click
import yaml
from support.chart import VALUES
from support.doc_blocks import DOCUMENTS, ROOT, blocks

from webhook.__main__ import main

INLINE = re.compile(r"`(?:kubectl )?(gpu[-_]injector [a-z][^`]*)`")
SET = re.compile(r"--set[= ]'?([A-Za-z]\w*(?:\.\w+)*)(?:=|\\)")
# What changed is history.
HISTORY = "CHANGELOG.md"
ENDS_COMMAND = frozenset("|;&<>)")


def named_commands() -> Iterator[tuple[str, list[str]]]:
    """Yield each command line of ours in a document, with its words after the program."""
    lines = [(block.document_name, line) for block in blocks() for line in block.commands]
    for document in DOCUMENTS:
        name = document.relative_to(ROOT).as_posix()
        lines += [(name, found) for found in INLINE.findall(document.read_text())]
    for name, line in lines:
        if name != HISTORY and "gpu-injector " in line:
            yield from ((name, words) for words in _calls(line))


def _calls(line: str) -> Iterator[list[str]]:
    words = list(shlex.shlex(line.replace("…", ""), posix=True, punctuation_chars=True))
    for index, word in enumerate(words):
        begins = index == 0 or words[index - 1] in ("kubectl", "run") or set(words[index - 1]) <= ENDS_COMMAND
        if begins and word.rpartition("/")[2] == "gpu-injector":
            rest = words[index + 1 :]
            yield rest[: next((at for at, one in enumerate(rest) if set(one) <= ENDS_COMMAND), len(rest))]


def unknown(words: list[str]) -> str:
    """Return the first word that is neither a command nor one of its options; empty if all are."""
    command: click.Command = main
    for word in words:
        name = word.partition("=")[0]
        if isinstance(command, click.Group) and not word.startswith("-"):
            if name not in command.commands:
                return name
            command = command.commands[name]
        elif word.startswith("-") and word != "-" and name not in options_of(command):
            return name
    return ""


@cache
def options_of(command: click.Command) -> frozenset[str]:
    """Return the options of a command, its help included."""
    context = click.Context(command)
    return frozenset(name for one in command.get_params(context) for name in (*one.opts, *one.secondary_opts))


def test_every_command_and_option_exists() -> None:
    """In a block and in a sentence."""
    found = list(named_commands())
    assert len({name for name, _ in found}) > 10
    assert [(name, " ".join(words), word) for name, words in found if (word := unknown(words))] == []


def test_an_unknown_option_is_found() -> None:
    """The check above reads options, commands and commands of groups."""
    assert unknown(["doctor", "--wait", "5", "--never"]) == "--never"
    assert unknown(["certs", "hide"]) == "hide"
    assert unknown(["certs", "show", "-o", "json"]) == ""


def test_every_value_of_the_chart_exists() -> None:
    """Each ``--set`` of the documents sets a value that the chart has."""
    values = yaml.safe_load(VALUES.read_text())
    named = {
        (document.name, path)
        for document in DOCUMENTS
        if document.name != HISTORY
        for path in SET.findall(document.read_text())
    }
    assert len(named) > 5
    assert {(name, path) for name, path in named if not has(values, path)} == set()


def has(values: Any, path: str) -> bool:  # noqa: ANN401  a part of the values
    """Say whether the chart has a value; what is below an empty table is the administrator's."""
    for key in path.split("."):
        if values == {}:
            return True
        if not isinstance(values, dict) or key not in values:
            return False
        values = values[key]
    return True
