"""What ends an output: a reader that closed the pipe, or a full disk. The API server has nothing to do with it."""

import errno
import os
import sys

import click

from webhook.commands.shared.exit_codes import ExitCode

# Of files that are written. A client's own errors of the network are subclasses of OSError.
UNWRITTEN = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
# As a shell has it for a program that a closed pipe ends.
CLOSED_PIPE = 141


class OutputError(click.ClickException):
    """An output that could not be written to its end."""

    exit_code = ExitCode.FAILED


def is_of_output(error: OSError) -> bool:
    """Say whether an output could not be written."""
    return isinstance(error, BrokenPipeError) or (type(error) is OSError and error.errno in UNWRITTEN)


def drop_output() -> None:
    """Write nothing more to standard output: what is left in its buffer would fail again at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
