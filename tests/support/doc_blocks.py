"""The blocks of the documents with commands, and the marks that say which test runs them.

The line above such a block is one of

    <!-- run in tests/data/documented/NAME -->
        in a copy of that folder, by tests/unit/docs/test_doc_commands.py; the output is compared
    <!-- run on a cluster in tests/data/documented/NAME -->
        the same, by tests/e2e/test_documented.py, on an API server that calls the webhook
    <!-- e2e: NAME -->
        by the story of that name (tests/e2e/node/story.py); the output is compared
    <!-- run by tests/e2e/test_x.py -->
        by that test, or by those, with commas between them
    <!-- not run: why -->
        by no test
"""

import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>[^\n]*?) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE
)
SHELLS = frozenset({"console", "bash", "sh", "shell"})
PROMPT = "$ "
SKIPPED = "..."
PROGRAMS = frozenset({"kubectl", "helm", "gpu-injector"})
# Groups of commands, whose second word also counts.
GROUPS = frozenset({"certs", "policy", "export", "rollout"})


@dataclass(frozen=True, slots=True)
class Block:
    """Commands with their output: document and line, mark (empty for none), and lines."""

    document: Path
    line: int
    mark: str
    lines: tuple[str, ...]

    def __str__(self) -> str:
        """Return its place for messages."""
        return f"{self.document_name}:{self.line}"

    @property
    def document_name(self) -> str:
        """Return the document's path, from the project's root."""
        return str(self.document.relative_to(ROOT))

    @property
    def commands(self) -> list[str]:
        """Return the lines with commands; in a script all lines."""
        typed = [line.removeprefix(PROMPT) for line in self.lines if line.startswith(PROMPT)]
        return typed or [line for line in self.lines if line and not line.startswith("#")]

    def marked(self, word: str) -> str:
        """Return what follows a word at the mark's beginning, empty where it begins otherwise."""
        head, found, rest = self.mark.partition(word)
        return rest.strip() if found and not head else ""


def blocks() -> Iterator[Block]:
    """Yield the blocks of all documents in which something is typed."""
    for document in DOCUMENTS:
        text = document.read_text()
        for found in BLOCK.finditer(text):
            lines = tuple(found["text"].splitlines())
            if found["language"] in SHELLS or any(map(_is_typed, lines)):
                line = text.count("\n", 0, found.start()) + 1 + bool(found["mark"])
                yield Block(document, line, found["mark"] or "", lines)


def _is_typed(line: str) -> bool:
    # A block without a language may have commands without a prompt.
    return line.startswith(PROMPT) or line.partition(" ")[0] in PROGRAMS


def essential_words(line: str) -> Iterator[str]:
    """Yield the words of a line without which it is not run: the commands of kubectl, Helm and our own."""
    words = iter(shlex.shlex(line, posix=True, punctuation_chars=True))
    begins = True
    for word in words:
        if begins and word.rpartition("/")[2] in PROGRAMS:
            yield from _command_words(words)
        # After a pipe or the like another command begins.
        begins = set(word) <= set("|;&")


def _command_words(words: Iterator[str]) -> Iterator[str]:
    for word in words:
        if word in ("-n", "--namespace"):
            next(words)
        elif not word.startswith("-"):
            yield word
            if word not in GROUPS:
                return


def between(document: Path, marker: str, text: str) -> str:
    """Return the document with the section between its markers replaced."""
    head, begin, rest = document.read_text().partition(f"<!-- {marker} -->\n")
    assert begin
    return f"{head}{begin}{text}<!-- end of {marker} -->{rest.partition(f'<!-- end of {marker} -->')[2]}"


def assert_shown(
    shown: list[str], real: Iterator[str], where: str, constant: Callable[[str], str] = str.rstrip
) -> None:
    """Assert that lines are shown as they were typed and printed, in this order; ``...`` stands for lines left out.

    ``constant`` takes out of a line what differs from run to run.
    """
    skips = False
    for line in shown:
        if line == SKIPPED:
            skips = True
            continue
        wanted = constant(line)
        if line.startswith(PROMPT) or skips:
            assert any(constant(one) == wanted for one in real), f"never printed, or not here: {line!r} of {where}"
        else:
            assert constant(next(real, "")) == wanted, where
        skips = False
