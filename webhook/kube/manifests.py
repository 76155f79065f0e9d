"""Kubernetes objects from YAML or JSON text: several documents, and Lists, with the place of each."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import yaml


class ManifestError(ValueError):
    """Text that holds no Kubernetes objects; the message says source, line, document and why."""


@dataclass(frozen=True, slots=True)
class Document:
    """One object and where it stands: source, line, and the number of its document, both counted from 1.

    ``pointer`` is its place in that document: empty, or ``/items/2`` for the third object of a List.
    """

    content: dict[str, Any]
    source: str
    line: int
    number: int = 1
    pointer: str = ""


@dataclass(frozen=True, slots=True)
class Manifest:
    """One document of a text as it stands: what is before it (``---``), the document, and what ends it.

    ``objects`` is what it holds: one object, those of a List, or none. ``head + body + tail`` of all manifests of a
    text is that text.
    """

    head: str
    body: str
    tail: str
    objects: tuple[Document, ...]

    @property
    def text(self) -> str:
        """The document as it stands."""
        return self.head + self.body + self.tail


def read_documents(text: str, source: str) -> Iterator[Document]:
    """Yield the objects of a text as kubectl would read them; the items of a List one by one.

    Raises ManifestError where the text is no YAML, or a document is no object. Empty documents are passed over.
    """
    yield from _read_json(text, source) if _may_be_json(text) else _read_yaml(text, _Place(source))


def read_manifests(text: str, source: str) -> Iterator[Manifest]:
    """Yield the documents of a text with the objects in each. Raises ManifestError, as ``read_documents``."""
    text = text.removeprefix("\ufeff")
    if _may_be_json(text):
        objects = tuple(_read_json(text, source))
        if is_json(text):
            yield Manifest("", text, "", objects)
            return
    for number, (head, body, tail, line) in enumerate(_split(text, source), 1):
        yield Manifest(head, body, tail, tuple(_read_yaml(body, _Place(source, line, number))))


def load(text: str) -> Any:  # noqa: ANN401  any JSON
    """Return the value of a text that is one document of YAML or JSON, as objects are read from it."""
    import yaml  # noqa: PLC0415  as below

    return json.loads(text) if is_json(text) else _unshared(yaml.load(text, _loader()))  # noqa: S506  a safe one


def is_json(text: str) -> bool:
    """Say whether a text is one JSON value."""
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a text begins: its source, and the lines and documents before it."""

    source: str
    line: int = 0
    number: int = 1

    def error(self, line: int, why: str) -> ManifestError:
        return ManifestError(f"{self.source}:{self.line + line + 1}: document {self.number}: {why}")


def _may_be_json(text: str) -> bool:
    # JSON may be indented with tabs, which YAML refuses.
    return text.lstrip().startswith("{")


def _read_json(text: str, source: str) -> Iterator[Document]:
    place = _Place(source)
    try:
        yield from _objects(json.loads(text), place, 0)
    except json.JSONDecodeError as error:
        try:
            # YAML in flow style begins like this, too.
            yield from list(_read_yaml(text, place))
        except ManifestError:
            raise place.error(error.lineno - 1, f"not JSON: {error.msg}") from error


def _read_yaml(text: str, place: _Place) -> Iterator[Document]:
    import yaml  # noqa: PLC0415  only where files are read

    try:
        for node in yaml.compose_all(text, Loader=_loader()):
            yield from _objects(_unshared(_construct(node)), place, node.start_mark.line)
            place = _Place(place.source, place.line, place.number + 1)
    except yaml.YAMLError as error:
        raise _not_yaml(error, place) from error
    except RecursionError as error:
        raise place.error(0, "it is nested too deep") from error


def _split(text: str, source: str) -> Iterator[tuple[str, str, str, int]]:
    """Yield head, body and tail of each document, and the lines before its body."""
    import yaml  # noqa: PLC0415  as above

    # Where each document begins, where its body does (and on which line), and where that ends.
    marks: list[tuple[int, int, int, int]] = []
    begin, body, line = 0, 0, 0
    try:
        for event in yaml.parse(text, Loader=_loader()):
            start, end = event.start_mark, event.end_mark
            if isinstance(event, yaml.DocumentStartEvent) and start and end:
                begin = start.index if marks else 0
                # An implicit document begins at its first word; the comments before it are its own.
                body, line = (end.index, end.line) if event.explicit else (begin, start.line if marks else 0)
            elif isinstance(event, yaml.DocumentEndEvent) and start:
                marks.append((begin, body, line, start.index))
    except yaml.YAMLError as error:
        raise _not_yaml(error, _Place(source, number=len(marks) + 1)) from error
    if not marks:
        yield "", text, "", 0
    ends = [*(mark[0] for mark in marks[1:]), len(text)]
    for (begin, body, line, stop), following in zip(marks, ends, strict=False):
        yield text[begin:body], text[body:stop], text[stop:following], line


def _not_yaml(error: "yaml.YAMLError", place: _Place) -> ManifestError:
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    return place.error(mark.line if mark else 0, f"not YAML: {problem or ' '.join(str(error).split())}")


def _objects(content: object, place: _Place, line: int) -> Iterator[Document]:
    if content is None:
        return
    if not isinstance(content, dict) or not isinstance(content.get("kind"), str):
        raise place.error(line, "a Kubernetes object is needed, with apiVersion and kind")
    at = place.line + line + 1
    if not content["kind"].endswith("List") or not isinstance(content.get("items"), list):
        yield Document(content, place.source, at, place.number)
        return
    if not content["items"] and content["kind"] != "List":
        # A typed list that is empty says that there are none.
        yield Document(content, place.source, at, place.number)
    # `kubectl get --raw` prints typed lists, whose items carry no kind of their own.
    kind = {"apiVersion": content.get("apiVersion"), "kind": content["kind"].removesuffix("List")}
    for index, item in enumerate(content["items"]):
        if not isinstance(item, dict):
            raise place.error(line, f"items[{index}]: a Kubernetes object is needed")
        yield Document(kind | item, place.source, at, place.number, f"/items/{index}")


def _construct(node: "yaml.Node") -> object:
    loader = _loader()("")
    try:
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _unshared(value: object) -> object:
    """Return a copy in which an alias is an object of its own: a patch of one place must not change the other."""
    if isinstance(value, dict):
        return {key: _unshared(child) for key, child in value.items()}
    return [_unshared(child) for child in value] if isinstance(value, list) else value


@cache
def _loader() -> "type[yaml.CSafeLoader]":
    """Return a loader whose values are those of JSON, as kubectl's are: a time stays text, a set becomes a mapping."""
    import yaml  # noqa: PLC0415  as above

    safe = yaml.CSafeLoader

    resolvers = {
        first: [(tag, regexp) for tag, regexp in rules if tag != "tag:yaml.org,2002:timestamp"]
        for first, rules in safe.yaml_implicit_resolvers.items()
    }
    constructors = {
        **safe.yaml_constructors,
        "tag:yaml.org,2002:binary": _text_of_binary,
        "tag:yaml.org,2002:set": safe.construct_yaml_map,
        "tag:yaml.org,2002:omap": safe.construct_yaml_seq,
        "tag:yaml.org,2002:pairs": safe.construct_yaml_seq,
    }
    return type("Loader", (safe,), {"yaml_implicit_resolvers": resolvers, "yaml_constructors": constructors})


def _text_of_binary(loader: "yaml.CSafeLoader", node: "yaml.ScalarNode") -> str:
    return loader.construct_yaml_binary(node).decode(errors="replace")
