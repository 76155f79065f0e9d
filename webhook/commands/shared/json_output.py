"""What every ``-o json`` shares: its version, and sentences with a code and the objects that they name.

A program reads ``code`` and ``objects``; ``message`` and ``text`` are for people, and may change at any time.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

JSON_VERSION = 2
"""The form of the outputs. It rises when programs that read one must be changed; added keys do not raise it."""

Json = dict[str, Any]
# A command begins with one of these. What follows three blanks, or begins a sentence after it, is for people.
PROGRAMS = frozenset({"helm", "kubectl", "sed"})
NOTE = "   "
# Up to a semicolon, or a colon or a comma before a blank, that is not within quotes.
PART = re.compile(r"""(?:[^;:,'"]|[:,](?!\s|$)|'[^']*'|"[^"]*")*""")
# What a person has to replace: a command that has one does not run as it is.
PLACEHOLDER = re.compile(r"(?<![\w-])(?:FILE|LABEL|NAME|REGISTRY|VALUE)(?![\w])")
# The first line of a file's content: a comment, a key of YAML or TOML, or a table of TOML.
CONTENT = re.compile(r"#|\[|[\w.-]+:(?:\s|$)|[\w-]+ = ")
# Around a name in a sentence.
MARKS = ".,:;()\"'"
# Names that are no other word: letters with a digit, a hyphen or a dot, and addresses.
DISTINCT = re.compile(r"(?=.*[a-z]).*[-.0-9]|\d+\.\d+\.\d+\.\d+$")
BEFORE_A_NODE, AFTER_A_NODE = frozenset({"Node", "node", "on"}), frozenset({"does", "has", "offers", "reports", "runs"})


class NamedObjects:
    """The objects of a cluster that a sentence may name: by the full names that were read, never by a guess."""

    def __init__(self, nodes: Iterable[str] = (), objects: Iterable[Mapping[str, str]] = ()) -> None:
        found: dict[str, list[Json]] = {}
        for item in objects:
            found.setdefault(f"{item['namespace']}/{item['name']}", []).append(dict(item))
        self._nodes = frozenset(nodes)
        self._found = found

    def of(self, sentence: str) -> list[Json]:
        """Return the objects that a sentence names, each once, in its order."""
        found: dict[str, list[Json]] = {}
        words = sentence.split()
        for before, word, after in zip(("", *words), words, (*words[1:], ""), strict=False):
            name = word.strip(MARKS)
            if name in self._nodes and _is_of_node(name, before, word, after):
                found.setdefault(name, [{"kind": "Node", "name": name}])
            elif name in self._found:
                same = self._found[name]
                found.setdefault(name, [item for item in same if item["kind"] == before] or same)
        return [item for items in found.values() for item in items]


def _is_of_node(name: str, before: str, word: str, after: str) -> bool:
    """Say whether a word that is the name of a node means the node: it may be called ``gpu`` or ``nvidia``."""
    is_subject = not before and (word.endswith(":") or after in AFTER_A_NODE)
    return DISTINCT.match(name) is not None or before in BEFORE_A_NODE or is_subject


NO_OBJECTS = NamedObjects()


def messages(code: str, sentences: Iterable[str], named: NamedObjects = NO_OBJECTS) -> list[Json]:
    """Return sentences of one rule or check, with its name as the code."""
    return [message(code, sentence, named) for sentence in sentences]


def message(code: str, sentence: str, named: NamedObjects = NO_OBJECTS) -> Json:
    """Return one sentence with its code, and the objects in it."""
    return {"code": code, "message": sentence, "objects": named.of(sentence)}


def fixes(lines: Iterable[str]) -> list[Json]:
    """Return lines that say what to do; those of a file's content belong to the line before them."""
    found: list[Json] = []
    for line in lines:
        if found and (CONTENT.match(line) or ("manifest" in found[-1] and line.startswith(" "))):
            found[-1]["manifest"] = f"{found[-1].get('manifest', '')}{line}\n"
        else:
            command = command_of(line)
            found.append({"text": line.strip(), **({"command": command} if command else {})})
    return found


def is_command(line: str) -> bool:
    """Say whether a line begins with a command for a shell."""
    return line.strip().partition(" ")[0] in PROGRAMS


def command_of(line: str) -> str:
    """Return the command at the begin of a line, without what is for people; empty for none that runs as it is."""
    rest = line.strip().partition(NOTE)[0]
    parts: list[str] = []
    while is_command(rest) and (found := PART.match(rest)) and found[0].strip():
        parts.append(found[0].strip())
        if not rest[found.end() :].startswith(";"):
            break
        rest = rest[found.end() + 1 :].strip()
    command = "; ".join(parts)
    return "" if PLACEHOLDER.search(command) else command
