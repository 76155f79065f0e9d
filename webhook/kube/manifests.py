"""Kubernetes objects from YAML or JSON text, as kubectl reads them: several documents, and Lists, with their places."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from webhook.kube.document_stream import Piece, after_value, json_values, pieces
from webhook.kube.placeholders import without_variables
from webhook.kube.values import text as text_of
from webhook.kube.yaml_values import MAX_DEPTH, YamlError, yaml_value

TEMPLATE_MARKS = re.compile(r"\{\{|\{%")
TEMPLATE_HINT = "render it first: `helm template CHART | gpu-injector preview -f -`"
VARIABLE_HINT = "replace its variables first: `envsubst < FILE | gpu-injector preview -f -`"


class ManifestError(ValueError):
    """Text that holds no Kubernetes objects; the message says source, line, document and why.

    ``hint`` says how to render what looks like a template. ``is_foreign`` if it could be read, and is something else
    than a Kubernetes object.
    """

    def __init__(self, message: str, *, hint: str = "", is_foreign: bool = False) -> None:
        super().__init__(f"{message}; it looks like a template: {hint}" if hint else message)
        self.is_template = bool(hint)
        self.is_foreign = is_foreign


@dataclass(frozen=True, slots=True)
class Document:
    """One object and its place: source, line, and the number of its document, both counted from 1.

    ``pointer`` is its place in that document: empty, or ``/items/2`` for the third object of a List.
    """

    content: dict[str, Any]
    source: str
    line: int
    number: int = 1
    pointer: str = ""


@dataclass(frozen=True, slots=True)
class Manifest:
    """One document of a text: its own text, markers included, its value, and the objects in it.

    The texts of all manifests of a text, joined, are that text. A document of comments has no objects.
    """

    text: str
    value: Any
    objects: tuple[Document, ...]


def read_documents(text: str, source: str) -> Iterator[Document]:
    """Yield the objects of a text as kubectl would read them; the items of a List one by one.

    Raises ManifestError if the text is neither YAML nor JSON, or a document is no object. Empty documents are skipped.
    """
    for manifest in read_manifests(text, source):
        yield from manifest.objects


def read_manifests(text: str, source: str) -> Iterator[Manifest]:
    """Yield the documents of a text with the objects in each. Raises ManifestError, as ``read_documents``."""
    number = 0
    for piece in pieces(text):
        for part, value, line in _values(piece, _Place(source, piece.line, number + 1)):
            number += 1
            yield Manifest(part, value, tuple(_objects(value, _Place(source, piece.line, number), line)))


def load(text: str) -> Any:  # noqa: ANN401  any JSON
    """Return the value of a text that is one document, None if it is empty. Raises ManifestError."""
    values = [manifest[1] for piece in pieces(text) for manifest in _values(piece, _Place("text", piece.line))]
    if len(values) > 1:
        raise ManifestError(f"{len(values)} documents instead of one")
    return values[0] if values else None


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a document is: its source, the lines before it, and its number."""

    source: str
    line: int = 0
    number: int = 1

    def __str__(self) -> str:
        return self.at(0)

    def at(self, line: int) -> str:
        return f"{self.source}:{self.line + line + 1}: document {self.number}"


def _values(piece: Piece, place: _Place) -> list[tuple[str, Any, int]]:
    """Return the documents of a piece: text, value and line; several only if JSON values follow one another."""
    not_json = ""
    try:
        found = json_values(piece.text)
    except json.JSONDecodeError as error:
        # YAML in flow style begins like JSON, too.
        not_json = f"{place.at(error.lineno - 1)}: not JSON: {error.msg}"
    except RecursionError as error:
        raise ManifestError(f"{place}: it is nested deeper than {MAX_DEPTH} levels") from error
    except ValueError as error:
        raise ManifestError(f"{place}: a number has too many digits") from error
    else:
        if found is not None:
            return list(_parts(piece.text, found, place))
    try:
        value, line = yaml_value(piece.text) or (None, 0)
    except YamlError as error:
        message = not_json or f"{place.at(error.line)}: not YAML: {error.problem}"
        raise ManifestError(message, hint=_hint(piece.text)) from error
    if not_json and not (isinstance(value, dict) and "kind" in value):
        raise ManifestError(not_json)
    return [(piece.text, value, line)]


def _hint(text: str) -> str:
    """Return how to render a text that is not YAML; empty if it is no template."""
    if TEMPLATE_MARKS.search(text):
        return TEMPLATE_HINT
    return VARIABLE_HINT if any(_is_yaml(replaced) for replaced in without_variables(text)) else ""


def _is_yaml(text: str) -> bool:
    try:
        yaml_value(text)
    except YamlError:
        return False
    return True


def _parts(text: str, found: list[Any], place: _Place) -> Iterator[tuple[str, Any, int]]:
    begin, line, counted = 0, 0, 0
    for index, one in enumerate(found):
        if _depth_exceeds(one.value, MAX_DEPTH):
            raise ManifestError(f"{place}: it is nested deeper than {MAX_DEPTH} levels")
        end = len(text) if index == len(found) - 1 else after_value(text, one.end)
        line += text.count("\n", counted, one.start)
        yield text[begin:end], one.value, line
        begin, counted = end, one.start


def _depth_exceeds(value: object, limit: int) -> bool:
    """Say whether a value is nested deeper than a limit, level by level and without recursion."""
    level = [value]
    for _ in range(limit + 1):
        nested = [one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list)]
        level = [child for children in nested for child in children]
        if not level:
            return False
    return True


def _looks_like_object(content: object) -> bool:
    """Say whether a value without a kind has keys that only objects have; a Chart.yaml has an apiVersion, too."""
    return isinstance(content, dict) and "apiVersion" in content and not {"metadata", "spec"}.isdisjoint(content)


def _objects(content: object, place: _Place, line: int) -> Iterator[Document]:
    if content is None:
        return
    if not isinstance(content, dict) or not isinstance(content.get("kind"), str):
        message = f"{place.at(line)}: a Kubernetes object is needed, with apiVersion and kind"
        raise ManifestError(message, is_foreign=not _looks_like_object(content))
    yield from _flattened(content, place, line, "")


def _flattened(content: dict[str, Any], place: _Place, line: int, pointer: str) -> Iterator[Document]:
    """Yield an object, or the objects of a List, which may hold Lists."""
    at, kind = place.line + line + 1, text_of(content.get("kind"))
    if not kind.endswith("List") or not isinstance(content.get("items"), list):
        yield Document(content, place.source, at, place.number, pointer)
        return
    if not content["items"] and kind != "List":
        # A typed list that is empty says that there are none.
        yield Document(content, place.source, at, place.number, pointer)
    # `kubectl get --raw` prints typed lists, whose items carry no kind of their own.
    inherited = {"apiVersion": content.get("apiVersion"), "kind": kind.removesuffix("List")}
    for index, item in enumerate(content["items"]):
        if not isinstance(item, dict):
            raise ManifestError(f"{place.at(line)}: items[{index}]: a Kubernetes object is needed")
        yield from _flattened(inherited | item, place, line, f"{pointer}/items/{index}")
