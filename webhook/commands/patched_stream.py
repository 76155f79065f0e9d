"""``-o yaml`` of manifests: one stream of the author's documents, patched, and checked before it is printed."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from webhook.commands.shared.input_files import InputError
from webhook.commands.yaml_edit.comment_preserving_patch import NotPatchedError, Patched, patch, rendered
from webhook.decide.patch import Operation
from webhook.kube.document_stream import (
    CARRIAGE_RETURN,
    ends_with_marker,
    has_directive,
    has_marker,
    is_json,
    json_values,
    pieces,
    with_marker_alone,
)
from webhook.kube.manifests import Manifest, ManifestError, load

BOM = "\ufeff"
# Escapes of JSON that kubectl's reader of YAML does not know.
JSON_ESCAPE = re.compile(r"\\(/|u[dD][89abAB])")
OperationsOf = Callable[[Manifest], Sequence[Operation]]


def patched_stream(manifests: Iterable[Manifest], operations_of: OperationsOf, note: Callable[[str], None]) -> str:
    """Return the stream; ``note`` gets a line for each document whose layout could not be kept.

    Raises InputError if the result is not the stream of the expected documents.
    """
    planned = [(manifest, operations_of(manifest)) for manifest in manifests]
    has_patches = any(operations for _, operations in planned)
    documents: list[Patched] = []
    for manifest, operations in planned:
        if documents:
            documents[-1] = _finished(documents[-1])
        known = _with_line_feeds(manifest, note) if has_patches else manifest
        documents.append(_patched(known, operations, note))
    documents = [_with_marker_alone(document) for document in documents]
    filled = [document for document in documents if document.text.strip()]
    if all(is_json(document.text) for document in filled):
        return _json_stream(filled)
    stream = _yaml_stream(documents)
    is_changed = stream != "".join(manifest.text for manifest, _ in planned)
    if is_changed and len(filled) > 1 and _is_json_for_kubectl(filled[0].text):
        stream = "---\n" + stream
    _check(stream, documents)
    return stream


def _json_stream(documents: Sequence[Patched]) -> str:
    """Return JSON values one after the other; what is behind a ``---`` kubectl reads as YAML, with fewer escapes."""
    texts = [document.text for document in documents]
    stream = "".join(text if text.endswith("\n") else text + "\n" for text in texts[:-1]) + "".join(texts[-1:])
    if [one.value for one in json_values(stream) or ()] != [document.value for document in documents]:
        raise InputError("the output would not be the expected documents; nothing was printed")
    return stream


def _is_json_for_kubectl(text: str) -> bool:
    """Say whether kubectl up to 1.32 reads a stream that begins so up to its ``---``, though the text is YAML, too."""
    return text.lstrip().startswith("{") and not JSON_ESCAPE.search(text)


def _yaml_stream(documents: Iterable[Patched]) -> str:
    parts: list[str] = []
    for document in documents:
        text = document.text.removeprefix(BOM) if parts else document.text
        if text:
            parts += [*_separators(parts, text), text]
    return "".join(parts)


def _patched(manifest: Manifest, operations: Sequence[Operation], note: Callable[[str], None]) -> Patched:
    if not operations:
        return Patched(manifest.text, manifest.value)
    where = _where(manifest)
    try:
        patched = patch(manifest, operations)
    except NotPatchedError as error:
        raise InputError(f"{where}: the patched document could not be written as YAML; nothing was printed") from error
    if patched.is_rendered:
        note(f"{where}: comments and layout could not be kept; the document is rendered again")
    return patched


def _with_line_feeds(manifest: Manifest, note: Callable[[str], None]) -> Manifest:
    """Return a document without line ends of a carriage return alone: kubectl finds no ``---`` beside these."""
    text = CARRIAGE_RETURN.sub("\n", manifest.text)
    if text == manifest.text or load(text) != manifest.value:
        return manifest
    if manifest.objects:
        note(f"{_where(manifest)}: line ends of a carriage return alone became line feeds")
    return replace(manifest, text=text)


def _where(manifest: Manifest) -> str:
    place = manifest.objects[0]
    return f"{place.source}:{place.line}: document {place.number}"


def _with_marker_alone(document: Patched) -> Patched:
    text = with_marker_alone(document.text)
    return document if text == document.text or load(text) != document.value else replace(document, text=text)


def _finished(document: Patched) -> Patched:
    """Return a document that another one can follow: a line end after a block scalar would belong to the scalar."""
    is_finished = not document.text or document.text.endswith(("\n", "\r"))
    return document if is_finished or load(document.text + "\n") == document.value else rendered(document)


def _separators(parts: Sequence[str], text: str) -> Iterator[str]:
    """Yield what is needed between the parts so far and another document."""
    if not parts:
        return
    if not parts[-1].endswith(("\n", "\r")):
        yield "\n"
    is_ended = ends_with_marker(parts[-1])
    if not has_marker(text):
        yield "---\n"
    elif has_directive(text) and not is_ended:
        yield "...\n"


def _check(stream: str, documents: Iterable[Patched]) -> None:
    """Read the whole stream again, and compare. A document with unchanged text is not read again."""
    expected = [one.value for one in documents if one.value is not None]
    known = {one.text: one.value for one in documents}
    try:
        values = (known[piece.text] if piece.text in known else load(piece.text) for piece in pieces(stream))
        found = [value for value in values if value is not None]
    except ManifestError as error:
        raise InputError(f"the output would not be valid YAML ({error}); nothing was printed") from error
    if found != expected:
        raise InputError("the output would not be the expected documents; nothing was printed")
