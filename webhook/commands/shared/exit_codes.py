"""The exit codes of all commands: one table, from which docs/cli.md and the end of each ``--help`` are generated."""

from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import TypeVar

Command = TypeVar("Command", bound=Callable[..., object])


class ExitCode(IntEnum):
    """The exit codes of the commands."""

    DONE = 0
    CHANGES = 1
    FAILED = 2
    UNREAD = 3


MEANINGS: Mapping[ExitCode, str] = {
    ExitCode.DONE: "done, or nothing to change",
    ExitCode.CHANGES: "something would change, or problems were found",
    ExitCode.FAILED: "the command could not run: wrong input, no login, no answer",
    ExitCode.UNREAD: "not enough could be read to answer; the output says what",
}
# What a code means for one command, where the table's words are too general. FAILED and UNREAD mean the same for all.
BY_COMMAND: Mapping[str, Mapping[ExitCode, str]] = {
    "certs show": {
        ExitCode.DONE: "the API server accepts the certificate",
        ExitCode.CHANGES: "it would reject the certificate, or there is none",
    },
    "certs rotate": {ExitCode.DONE: "a rotation was requested"},
    "decisions": {ExitCode.DONE: "all replicas answered"},
    "collect": {ExitCode.DONE: "written, and everything could be read"},
    "completion": {ExitCode.DONE: "printed"},
    "demo": {ExitCode.DONE: "shown"},
    "doctor": {ExitCode.DONE: "no check failed", ExitCode.CHANGES: "a check failed"},
    "eject": {ExitCode.DONE: "there is nothing to patch", ExitCode.CHANGES: "there are patches"},
    "export mutating-admission-policy": {ExitCode.DONE: "printed"},
    "policy check": {ExitCode.DONE: "the policy is valid", ExitCode.CHANGES: "the policy has faults"},
    "policy schema": {ExitCode.DONE: "printed"},
    "policy show": {ExitCode.DONE: "printed"},
    "preview": {
        ExitCode.DONE: "nothing would change; always so with -o yaml",
        ExitCode.CHANGES: "something would change",
    },
    "serve": {ExitCode.DONE: "ended by a signal", ExitCode.CHANGES: "a background task died"},
    "verify": {ExitCode.DONE: "every node works", ExitCode.CHANGES: "a node does not work"},
    "view": {ExitCode.DONE: "printed, and everything could be read"},
    "why": {ExitCode.DONE: "answered"},
}
# These do not read a cluster.
OFFLINE = frozenset(
    {"completion", "demo", "export mutating-admission-policy", "policy check", "policy schema", "policy show", "serve"}
)


def codes_of(command: str) -> Mapping[ExitCode, str]:
    """Return the codes that a command can end with, and what each means."""
    own = BY_COMMAND[command]
    usual = {ExitCode.FAILED} if command in OFFLINE else {ExitCode.FAILED, ExitCode.UNREAD}
    return {code: own.get(code, MEANINGS[code]) for code in ExitCode if code in own or code in usual}


def states_exit_codes(command: str) -> Callable[[Command], Command]:
    """Add the exit codes of a command to the end of its help."""

    def add(function: Command) -> Command:
        told = "\n".join(f"  {code:d}  {meaning}" for code, meaning in codes_of(command).items())
        function.__doc__ = f"{(function.__doc__ or '').rstrip()}\n\n    \b\n    Exit code:\n" + "\n".join(
            f"    {line}" for line in told.splitlines()
        )
        return function

    return add


def as_markdown() -> str:
    """Return the two tables of docs/cli.md."""
    rows = [f"| {code:d} | {MEANINGS[code]} |" for code in ExitCode]
    columns = [ExitCode.DONE, ExitCode.CHANGES, ExitCode.UNREAD]
    own = [
        f"| `{command}` | {' | '.join(codes_of(command).get(code, '-') for code in columns)} |"
        for command in sorted(BY_COMMAND)
    ]
    head = ["| code | meaning |", "| --- | --- |"]
    own_head = ["| command | 0 | 1 | 3 |", "| --- | --- | --- | --- |"]
    return "\n".join([*head, *rows, "", *own_head, *own]) + "\n"
