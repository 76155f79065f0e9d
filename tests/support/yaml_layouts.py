"""Manifests as people write them: one value in many layouts, and documents joined to streams in many ways."""

import json
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

# Members that a container may take from an anchor by a merge key.
BASE = {"imagePullPolicy": "Always", "stdin": True}
BASE_KEY = "x-base"
TEXTS = ("a: b # c", "'quoted' \"twice\"", "- dash", "yes", "0644", "1e3", "22:22", "", " padded ", "tab\there", "é ☃")
BLOCKS = ("one\ntwo\n", "one\n\n  two", "kept\n\n\n", "---x\n# no comment\n")


class Author:
    """Writes values in one layout, which is drawn once; small things change from line to line."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._step = random.choice((2, 2, 3, 4))
        self._offset = random.choice((0, 2))
        self._dash = random.choice((2, 2, 4))
        self._quote = random.choice(("", "", '"', "'"))
        self._with_comments = random.random() < 0.6
        self._with_anchors = random.random() < 0.3
        self._anchors: list[tuple[str, Any]] = []

    def write(self, value: dict[str, Any]) -> str:
        """Return the value as one YAML document in block style, or as JSON."""
        if self._random.random() < 0.15:
            return json.dumps(value, indent=self._random.choice((None, 2, 4)), ensure_ascii=False) + "\n"
        if self._random.random() < 0.1:
            return self._flow(value, 0) + "\n"
        return "".join(f"{line}\n" for line in self._mapping(value, 0))

    def _mapping(self, value: dict[str, Any], column: int) -> Iterator[str]:
        pad = " " * column
        members = dict(value)
        is_base = any(value is known for _, known in self._anchors)
        if column and self._base_is_known() and not is_base and BASE.items() <= members.items():
            members = {key: child for key, child in members.items() if key not in BASE}
            yield f"{pad}<<: *base{self._comment()}"
        for key, child in members.items():
            yield from self._between(column)
            head = pad + (key if self._random.random() < 0.95 else json.dumps(key)) + ":"
            yield from self._member(head, key, child, column)

    def _member(self, head: str, key: str, child: object, column: int) -> Iterator[str]:
        if isinstance(child, str) and "\n" in child:
            yield from self._block_scalar(head, child, column)
        elif not isinstance(child, dict | list) or not child:
            written = "" if child is None and self._random.random() < 0.5 else f" {self._scalar(child)}"
            yield head + written + self._comment()
        elif alias := self._alias(child):
            yield f"{head} *{alias}{self._comment()}"
        elif self._random.random() < 0.2:
            yield f"{head} {self._flow(child, column + 1)}{self._comment()}"
        else:
            yield head + self._anchor(key, child) + self._comment()
            if isinstance(child, dict):
                yield from self._mapping(child, column + self._step)
            else:
                yield from self._sequence(child, column + self._offset)

    def _sequence(self, value: Sequence[Any], column: int) -> Iterator[str]:
        for child in value:
            yield from self._between(column)
            dash = " " * column + "-" + " " * (self._dash - 1)
            if isinstance(child, dict) and child and self._random.random() < 0.9:
                lines = list(self._mapping(child, column + self._dash))
                first = next(index for index, line in enumerate(lines) if line.strip() and line.lstrip()[0] != "#")
                yield from lines[:first]
                yield dash + lines[first][column + self._dash :]
                yield from lines[first + 1 :]
            elif isinstance(child, str) and "\n" in child:
                yield from self._block_scalar(dash.rstrip(), child, column)
            else:
                yield dash + (self._flow(child, column + 1) if isinstance(child, dict | list) else self._scalar(child))

    def _block_scalar(self, head: str, text: str, column: int) -> Iterator[str]:
        chomping = "+" if text.endswith("\n\n") else "" if text.endswith("\n") else "-"
        yield f"{head} |{chomping}{self._comment()}"
        for line in text.removesuffix("\n").split("\n"):
            yield " " * (column + 2) + line if line else ""

    def _flow(self, value: object, column: int) -> str:
        if not isinstance(value, dict | list):
            return self._scalar(value, in_flow=True)
        members = [
            f"{key}: {self._flow(child, column + 2)}"
            for key, child in (value.items() if isinstance(value, dict) else ())
        ] or [self._flow(child, column + 2) for child in value]
        begin, end = "{}" if isinstance(value, dict) else "[]"
        if members and self._random.random() < 0.2:
            pad = "\n" + " " * (column + 2)
            comma = self._random.choice(("", ","))
            return begin + pad + f",{pad}".join(members) + comma + "\n" + " " * column + end
        blank = self._random.choice(("", " ")) if members else ""
        return begin + blank + ", ".join(members) + blank + end

    def _scalar(self, value: object, *, in_flow: bool = False) -> str:
        if not isinstance(value, str):
            return json.dumps(value)
        if value.isidentifier() and value not in ("yes", "true", "null", "y", "n", "on", "no", "off"):
            tagged = self._random.random()
            if tagged < 0.03 and not in_flow:
                return f"!vault {value}"
            return f"{self._quote}{value}{self._quote}" if tagged < 0.9 else f"!!str {value}"
        if self._quote == "'" and value.isprintable():
            return "'" + value.replace("'", "''") + "'"
        return json.dumps(value, ensure_ascii=False)

    def _between(self, column: int) -> Iterator[str]:
        if self._with_comments and self._random.random() < 0.15:
            yield self._random.choice(
                ("", " " * column + "# a comment", "# further left: - {x", " " * column + "  # deeper")
            )

    def _comment(self) -> str:
        return "  # said beside it" if self._with_comments and self._random.random() < 0.15 else ""

    def _anchor(self, key: str, value: object) -> str:
        if key == BASE_KEY:
            self._anchors.append(("base", value))
            return " &base"
        if self._with_anchors and self._random.random() < 0.2:
            name = f"a{len(self._anchors)}"
            self._anchors.append((name, value))
            return f" &{name}"
        return ""

    def _alias(self, value: object) -> str:
        known = [name for name, other in self._anchors if name != "base" and _same(other, value)]
        return known[0] if known and self._random.random() < 0.8 else ""

    def _base_is_known(self) -> bool:
        return any(name == "base" for name, _ in self._anchors)


def joined(texts: Sequence[str], random: Random) -> str:
    """Return documents as one stream; each text ends with a line end."""
    parts = [random.choice(("", "", "# a head\n", "---\n", "\ufeff", "\ufeff---\n", "%YAML 1.1\n---\n"))]
    for index, text in enumerate(texts):
        if index:
            separators = ["---\n", "---\n", "---   \n", "--- # next\n", "...\n---\n", "---\n# only a comment\n---\n"]
            separators += ["...\n%YAML 1.1\n---\n", "---\n---\n", "...\n# between\n---\n", "---\n\ufeff"]
            if text.startswith(("{", "[")):
                separators.append("--- ")
            parts.append(random.choice(separators))
        parts.append(text)
    stream = "".join([*parts, random.choice(("", "", "...\n", "---\n", "# the end\n"))])
    if random.random() < 0.15:
        stream = stream.removesuffix("\n")
    return stream.replace("\n", "\r\n") if random.random() < 0.15 else stream


def _same(one: object, other: object) -> bool:
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
