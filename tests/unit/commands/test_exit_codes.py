"""One table of exit codes: in docs/cli.md, in each help, and nowhere else by hand."""

from pathlib import Path

import click
import pytest

from webhook.__main__ import main
from webhook.commands.shared.exit_codes import BY_COMMAND, as_markdown, codes_of

PAGE = Path(__file__).parents[3] / "docs/cli.md"
BEGIN, END = "<!-- exit codes -->\n", "<!-- end of exit codes -->\n"


def command(words: str) -> click.Command:
    """Return the command of these words."""
    found: click.Command = main
    for word in words.split():
        assert isinstance(found, click.Group)
        found = found.commands[word]
    return found


def test_the_page_has_the_table(update_golden: bool) -> None:  # noqa: FBT001
    """docs/cli.md is generated from the code."""
    head, begin, rest = PAGE.read_text().partition(BEGIN)
    text = f"{head}{begin}{as_markdown()}{END}{rest.partition(END)[2]}"
    assert begin
    if update_golden:
        PAGE.write_text(text)
    assert PAGE.read_text() == text


def leaves(group: click.Group, words: str = "") -> set[str]:
    """Return the commands of a group that people can call."""
    found: set[str] = set()
    for name, item in group.commands.items():
        if isinstance(item, click.Group):
            found |= leaves(item, f"{words}{name} ")
        elif not item.hidden:
            found.add(words + name)
    return found


def test_the_table_has_every_command() -> None:
    """A new command has its line."""
    assert leaves(main) == BY_COMMAND.keys()


@pytest.mark.parametrize("words", BY_COMMAND)
def test_each_help_ends_with_the_codes(words: str) -> None:
    """The author of a script reads the help."""
    found = command(words)
    text = found.get_help(click.Context(found, info_name=words))
    assert [meaning for meaning in codes_of(words).values() if meaning not in " ".join(text.split())] == []
    assert text.count("Exit code") == 1
