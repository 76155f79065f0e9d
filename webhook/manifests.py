"""Kubernetes objects from YAML or JSON text: several documents, and Lists, with the place of each."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import yaml


class ManifestError(ValueError):
    """Text that holds no Kubernetes objects; the message says source, line and why."""


@dataclass(frozen=True, slots=True)
class Document:
    """One object and where it stands: source and line, counted from 1."""

    content: dict[str, Any]
    source: str
    line: int


def read_documents(text: str, source: str) -> Iterator[Document]:
    """Yield the objects of a text as kubectl would read them; the items of a List one by one.

    Raises ManifestError where the text is no YAML, or a document is no object. Empty documents are passed over.
    """
    if text.lstrip().startswith("{"):
        yield from _read_json(text, source)
        return
    import yaml  # noqa: PLC0415  only where files are read

    try:
        for node in yaml.compose_all(text, Loader=_loader()):
            yield from _objects(_construct(node), source, node.start_mark.line + 1)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ManifestError(f"{source}:{line}: not YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        raise ManifestError(f"{source}: not YAML: {' '.join(str(error).split())}") from error


def _read_json(text: str, source: str) -> Iterator[Document]:
    # JSON may be indented with tabs, which YAML refuses.
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise ManifestError(f"{source}:{error.lineno}: not JSON: {error.msg}") from error
    yield from _objects(content, source, 1)


def _objects(content: object, source: str, line: int) -> Iterator[Document]:
    if content is None:
        return
    if not isinstance(content, dict) or not isinstance(content.get("kind"), str):
        raise ManifestError(f"{source}:{line}: a Kubernetes object is needed, with apiVersion and kind")
    if not content["kind"].endswith("List") or not isinstance(content.get("items"), list):
        yield Document(content, source, line)
        return
    if not content["items"] and content["kind"] != "List":
        # A typed list that is empty says that there are none.
        yield Document(content, source, line)
    for item in content["items"]:
        if isinstance(item, dict):
            # `kubectl get --raw` prints typed lists, whose items carry no kind of their own.
            kind = {"apiVersion": content.get("apiVersion"), "kind": content["kind"].removesuffix("List")}
            yield Document(kind | item, source, line)


def _construct(node: "yaml.Node") -> object:
    loader = _loader()("")
    try:
        return loader.construct_document(node)
    finally:
        loader.dispose()


@cache
def _loader() -> "type[yaml.CSafeLoader]":
    """Return a loader for which a time stays text, as it does for kubectl."""
    import yaml  # noqa: PLC0415  as above

    resolvers = {
        first: [(tag, regexp) for tag, regexp in rules if tag != "tag:yaml.org,2002:timestamp"]
        for first, rules in yaml.CSafeLoader.yaml_implicit_resolvers.items()
    }
    return type("Loader", (yaml.CSafeLoader,), {"yaml_implicit_resolvers": resolvers})
