"""The README: short, and its examples exist."""

import re

from support.doc_blocks import ROOT, blocks

README = ROOT / "README.md"
MOST_LINES = 180
FILE_OPTION = re.compile(r"(?:-f|--filename|--view)[ =](\S+)")
WRITTEN = re.compile(r"> (\S+)")


def test_it_is_short() -> None:
    """Everything else has a page of its own."""
    assert len(README.read_text().splitlines()) <= MOST_LINES


def test_each_file_that_its_commands_read_exists() -> None:
    """A reader with a checkout can type every command: its files are in deploy/, or an earlier line writes them."""
    lines = [line for block in blocks() if block.document == README for line in block.commands]
    read = {name for line in lines for name in FILE_OPTION.findall(line)} - {"-"}
    written = {name for line in lines for name in WRITTEN.findall(line)}
    assert read
    assert {name for name in read - written if not (ROOT / name).exists()} == set()
    assert {name for name in read - written if not name.startswith("deploy/")} == set()
