"""What every ``-o json`` shares: its version, and sentences with a code and the objects that they name.

A program reads ``code`` and ``objects``; ``message`` and ``text`` are for people, and may change at any time.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

JSON_VERSION = 2
"""The form of the outputs. It rises when programs that read one must be changed; added keys do not raise it."""

Json = dict[str, Any]
# A command begins with one of these. What follows three blanks, or begins a sentence after it, is for people.
PROGRAMS = frozenset({"gpu-injector", "helm", "kubectl", "sed"})
NOTE = "   "
# Up to a semicolon, or a colon before a blank, that is not within quotes.
PART = re.compile(r"""(?:[^;:'"]|:(?!\s|$)|'[^']*'|"[^"]*")*""")
# Around a name in a sentence.
MARKS = ".,:;()\"'"


class NamedObjects:
    """The objects of a cluster that a sentence may name: by the full names that were read, never by a guess."""

    def __init__(self, nodes: Iterable[str] = (), objects: Iterable[Mapping[str, str]] = ()) -> None:
        found: dict[str, list[Json]] = {}
        for node in nodes:
            found.setdefault(node, []).append({"kind": "Node", "name": node})
        for item in objects:
            found.setdefault(f"{item['namespace']}/{item['name']}", []).append(dict(item))
        self._found = found

    def of(self, sentence: str) -> list[Json]:
        """Return the objects that a sentence names, each once, in its order."""
        words = dict.fromkeys(word.strip(MARKS) for word in sentence.split())
        return [item for word in words for item in self._found.get(word, ())]


NO_OBJECTS = NamedObjects()


def messages(code: str, sentences: Iterable[str], named: NamedObjects = NO_OBJECTS) -> list[Json]:
    """Return sentences of one rule or check, with its name as the code."""
    return [message(code, sentence, named) for sentence in sentences]


def message(code: str, sentence: str, named: NamedObjects = NO_OBJECTS) -> Json:
    """Return one sentence with its code, and the objects in it."""
    return {"code": code, "message": sentence, "objects": named.of(sentence)}


def fixes(lines: Sequence[str]) -> list[Json]:
    """Return the lines of a fix: the first says what to do, further ones are a file's content or more commands."""
    if not lines:
        return []
    commands, content = [lines[0]], list(lines[1:])
    while content and is_command(content[0]):
        commands.append(content.pop(0))
    found = list(map(_fix, commands))
    if content:
        found[-1]["manifest"] = "\n".join(content) + "\n"
    return found


def steps(lines: Iterable[str]) -> list[Json]:
    """Return lines that each say what to do."""
    return list(map(_fix, lines))


def is_command(line: str) -> bool:
    """Say whether a line begins with a command for a shell."""
    return line.strip().partition(" ")[0] in PROGRAMS


def command_of(line: str) -> str:
    """Return the command at the begin of a line, without what is for people; empty for none."""
    rest = line.strip().partition(NOTE)[0]
    parts: list[str] = []
    while is_command(rest) and (found := PART.match(rest)) and found[0].strip():
        parts.append(found[0].strip())
        if not rest[found.end() :].startswith(";"):
            break
        rest = rest[found.end() + 1 :].strip()
    return "; ".join(parts)


def _fix(line: str) -> Json:
    command = command_of(line)
    return {"text": line.strip(), **({"command": command} if command else {})}
