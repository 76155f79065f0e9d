"""A stream of documents, cut into its documents: YAML at the lines that begin with ``---``, JSON at the ends of values.

A line that begins with ``---`` or ``...`` is a document marker wherever it is, also within a quoted or a block scalar.
Source: https://yaml.org/spec/1.2.2/#912-document-markers
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

MARKER = re.compile(r"(?m)^\ufeff?(---|\.\.\.)(?=\s|$)")
# YAML 1.1 knows more line ends than Python's regular expressions; a search for all of them is slow.
CARRIAGE_RETURN = re.compile(r"\r(?!\n)")
ODD_LINE_END = re.compile(r"\r(?!\n)|[\x85\u2028\u2029]")
ODD_MARKER = re.compile(r"(?:\A|(?<=[\n\r\x85\u2028\u2029]))\ufeff?(---|\.\.\.)(?=\s|$)")
MARKER_BEFORE_JSON = re.compile(r"\ufeff?(---[ \t]*(\r?\n)?)?\s*\ufeff?\s*(?=\{)")
# Files that were joined: each may begin with a byte order mark of its own.
MARKER_BEFORE_BOM = re.compile(r"\ufeff?---[ \t]*\r?\n(?=\ufeff)")
# A line that is neither blank nor a comment nor a directive.
CONTENT = re.compile(r"(?m)^(?!%)[ \t\ufeff]*[^\s#\ufeff]")
ODD_CONTENT = re.compile(r"(?<=[\r\x85\u2028\u2029])(?!%)[ \t\ufeff]*[^\s#\ufeff]")
CONTENT_AFTER_MARKER = re.compile(r"[ \t]+(?=[^\s#])")
DIRECTIVE = re.compile(r"(?m)^%")
LINE_END = re.compile(r"\r\n|[\n\r\x85\u2028\u2029]")
BLANK = re.compile(r"\s*")
REST_OF_LINE = re.compile(r"[ \t]*(\r?\n)?")


def _no_constant(word: str) -> float:
    raise json.JSONDecodeError(f"{word} is not JSON", word, 0)


_DECODER = json.JSONDecoder(parse_constant=_no_constant)


@dataclass(frozen=True, slots=True)
class Piece:
    """The text of one document, markers included, and the number of lines before it.

    All pieces of a text, joined, are that text. A piece may hold comments alone.
    """

    text: str
    line: int


@dataclass(frozen=True, slots=True)
class JsonValue:
    """One JSON value, and where it begins and ends in its piece."""

    value: Any
    start: int
    end: int


def pieces(text: str) -> Iterator[Piece]:
    """Yield the pieces of a text, at least one."""
    starts = list(_starts(text))
    line = 0
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        yield Piece(text[start:end], line)
        line += text.count("\n", start, end)


def _has_content(text: str, begin: int, end: int) -> bool:
    """Say whether a line of a part is content; a comment may end with a line end that only YAML knows."""
    return bool(CONTENT.search(text, begin, end) or ODD_CONTENT.search(text, begin, end))


def has_marker(piece: str) -> bool:
    """Say whether a piece begins with ``---``, so that it can follow any other."""
    found = MARKER.search(piece)
    return found is not None and found[1] == "---" and not _has_content(piece, 0, found.start())


def with_marker_alone(piece: str) -> str:
    """Return a piece whose content begins below its ``---``: kubectl rejects content on the line of the marker."""
    found = MARKER.search(piece) if has_marker(piece) else None
    content = CONTENT_AFTER_MARKER.match(piece, found.end()) if found else None
    if content is None:
        return piece
    newline = "\r\n" if "\r\n" in piece else "\n"
    return piece[: content.end()] + newline + piece[content.end() :]


def ends_with_marker(piece: str) -> bool:
    """Say whether a piece ends with ``...``, so that directives can follow it."""
    markers = list(MARKER.finditer(piece))
    return bool(markers) and markers[-1][1] == "..." and not _has_content(piece, markers[-1].end(), len(piece))


def start_after_bom(piece: str) -> int:
    """Return where a piece goes on after its byte order mark: libyaml knows one at the beginning of a text alone."""
    found = MARKER_BEFORE_BOM.match(piece)
    return found.end() + 1 if found else int(piece.startswith("\ufeff"))


def has_directive(piece: str) -> bool:
    """Say whether a piece begins with a directive, such as ``%YAML 1.1``."""
    found = DIRECTIVE.search(piece)
    return found is not None and not _has_content(piece, 0, found.start())


def json_values(text: str) -> list[JsonValue] | None:
    """Return the JSON objects that follow one another in a piece; None if it is anything else.

    Raises JSONDecodeError for what begins like JSON.
    """
    begin = MARKER_BEFORE_JSON.match(text)
    if begin is None:
        return None
    found: list[JsonValue] = []
    position = begin.end()
    while position < len(text):
        value, end = _DECODER.raw_decode(text, position)
        found.append(JsonValue(value, position, end))
        position = _skip(BLANK, text, end)
    return found


def is_json(piece: str) -> bool:
    """Say whether a piece is JSON values alone, without a marker or a byte order mark."""
    try:
        return piece.lstrip().startswith("{") and bool(json_values(piece))
    except (ValueError, RecursionError):
        return False


def after_value(text: str, end: int) -> int:
    """Return where the line ends on which a JSON value ends, or where the next value begins on that line."""
    return _skip(REST_OF_LINE, text, end)


def _starts(text: str) -> Iterator[int]:
    """Yield where each piece begins."""
    yield 0
    begin, after, is_ended = 0, 0, True
    markers = ODD_MARKER if ODD_LINE_END.search(text) else MARKER
    for found in markers.finditer(text):
        has_content = _has_content(text, after, found.start())
        if is_ended and after and (has_content or DIRECTIVE.search(text, after, found.start())):
            # Text after `...` is a document of its own; directives belong to what follows.
            begin = after
            yield begin
        if found[1] == "---":
            is_prolog = is_ended and not has_content and begin == after
            if not is_prolog and found.start() > begin:
                begin = found.start()
                yield begin
            after, is_ended = found.end(), False
        else:
            end = LINE_END.search(text, found.end())
            after, is_ended = (end.end() if end else len(text)), True
    if is_ended and after and _has_content(text, after, len(text)):
        yield after


def _skip(pattern: re.Pattern[str], text: str, position: int) -> int:
    found = pattern.match(text, position)
    return found.end() if found else position
