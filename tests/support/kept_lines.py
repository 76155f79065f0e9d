"""Which lines of a text another one keeps, byte for byte, when only a patch may change it."""

import re
from difflib import SequenceMatcher


def lost_lines(before: str, after: str) -> list[str]:
    """Return the lines of the first text that are not in the second one, but for those that only got more text.

    A null that the patch replaces by a value may go.
    """
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    lost: list[str] = []
    for tag, begin, end, new_begin, new_end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag in ("delete", "replace"):
            written = iter("".join(new[new_begin:new_end]))
            lost += [line for line in old[begin:end] if not all(character in written for character in _kept(line))]
    return lost


def _kept(line: str) -> str:
    return re.sub(r" ?(\bnull\b|(?<= )~(?= |$))", "", line.rstrip("\r\n"))
