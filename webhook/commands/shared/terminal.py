"""What is printed on a terminal: names, Events and logs that others wrote must not control it (as CVE-2021-25743)."""

import io
import re
import sys
from typing import TextIO

# What a terminal obeys. Colours are left: they are ours, and harmless in a text of others.
CONTROL = re.compile(r"\x1b(?!\[[0-9;]*m)|[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f]|\r(?!\n)")


class Terminal(io.TextIOWrapper):
    """Standard output or standard error, with ``?`` for each character that would control the terminal."""

    def write(self, text: str) -> int:
        """Write a text that controls nothing."""
        return super().write(CONTROL.sub("?", text))


def prepare_output() -> None:
    """Print UTF-8, on terminals as ``Terminal`` does; pipes and files get every character as it is."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            # Whatever the locale says; what cannot be written, a lone surrogate, is escaped.
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
            if stream.isatty():
                guarded = Terminal(stream.buffer, encoding=stream.encoding, errors=stream.errors, line_buffering=True)
                setattr(sys, name, guarded)


def progress_stream() -> TextIO:
    """Return standard error for a progress bar, which moves the cursor."""
    return (sys.__stderr__ if isinstance(sys.stderr, Terminal) else None) or sys.stderr
