"""A test runs every command of a document, or the command is marked as not run: see tests/support/doc_blocks.py."""

import re
from pathlib import Path

import pytest
from support.doc_blocks import ROOT, Block, assert_shown, blocks, essential_words
from support.doc_shell import scratch, typed

BLOCKS = list(blocks())
RUN_HERE = [block for block in BLOCKS if block.marked("run in")]
HOW = """
Write a mark on the line above each of these blocks (CONTRIBUTING.md, "A command in a document"):
  <!-- run in tests/data/documented/NAME -->               in a copy of that folder; the output is compared
  <!-- run on a cluster in tests/data/documented/NAME -->  likewise, with an API server (tests/e2e/test_documented.py)
  <!-- run by tests/e2e/test_x.py -->                 that test runs the same
  <!-- not run: why -->                               no test runs it
"""


def test_every_command_is_run_or_says_that_it_is_not() -> None:
    """No test would notice an error in a block without a mark."""
    kinds = ("run in", "run on a cluster in", "run by", "e2e:", "not run:")
    unmarked = [str(block) for block in BLOCKS if not any(block.marked(kind) for kind in kinds)]
    assert not unmarked, "\n".join(unmarked) + HOW


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.marked("run by")], ids=str)
def test_the_test_that_is_named_runs_the_command(block: Block) -> None:
    """The text of the test contains each command of kubectl, Helm and ours."""
    files = [ROOT / name.strip() for name in block.marked("run by").split(",")]
    assert [file.name for file in files if not file.exists()] == []
    text = "\n".join(file.read_text() for file in files)
    wanted = {word for line in block.commands for word in essential_words(line)}
    assert {word for word in wanted if not re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text)} == set()


def test_each_story_is_compared() -> None:
    """Its test compares every block of its name."""
    compared = "\n".join(file.read_text() for file in (ROOT / "tests" / "e2e" / "node").glob("test_*.py"))
    stories = {(block.marked("e2e:"), block.document_name) for block in BLOCKS if block.marked("e2e:")}
    assert stories
    assert [name for name, page in stories if f'"{name}"' not in compared or f'"{page}"' not in compared] == []


def test_each_named_folder_exists() -> None:
    """And each folder is named by a document."""
    named = {block.marked(kind) for block in BLOCKS for kind in ("run in", "run on a cluster in")} - {""}
    assert named == {
        f"tests/data/documented/{path.name}" for path in (ROOT / "tests" / "data" / "documented").iterdir()
    }


@pytest.mark.parametrize("block", RUN_HERE, ids=str)
def test_what_is_shown_is_what_is_printed(block: Block, tmp_path: Path) -> None:
    """Line by line, in a copy of the folder that is named."""
    folder = scratch(block.marked("run in"), tmp_path / "here")
    printed = [line for command in block.commands for line in typed(command, folder)]
    assert_shown(list(block.lines), iter(printed), str(block))


def test_make_run_shows_what_the_readme_shows(tmp_path: Path) -> None:
    """``make run`` is ``gpu-injector demo`` once the environment exists."""
    (block,) = (block for block in BLOCKS if block.commands == ["make run"])
    recipe = re.search(r"^run:.*\n\t@?(.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe
    assert recipe[1] == "$(BIN)/gpu-injector demo"
    _, *printed = typed("gpu-injector demo", tmp_path)
    assert_shown(list(block.lines[1:]), iter(printed), str(block))
