"""The file that ``view`` and ``collect`` write: a List of reduced objects, and one object that says what was read.

It is what ``kubectl get -o yaml`` prints, so that other tools read it too. The object of kind ``Archive`` holds, by
path of the API, how each request was answered: a kind that could not be read stays unknown when the file is read.
"""

import gzip
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from webhook.kube.manifests import ManifestError, read_documents
from webhook.kube.values import items, mapping, text
from webhook.view.recorded_time import parse_time

ApiObject = Mapping[str, Any]
API_VERSION, KIND = "gpu-injector.io/v1", "Archive"
VERSION = 1
GZIP = b"\x1f\x8b"
LARGEST_BYTES = 2 * 1024**3
# What the API server accepts as a name. Names become part of commands that are printed, so a file has no others.
NAME = re.compile(r"[\w.:-]*", re.ASCII)
# An answer of the discovery is named after its path.
DISCOVERY = frozenset({"APIGroupList", "APIResourceList"})


class ArchiveError(ValueError):
    """A file that is no archive; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """A cluster at one moment, without secrets.

    ``answers`` are HTTP statuses by path, without queries; a file of kubectl's has none. ``texts`` are logs by path
    with query. ``facts`` is what objects do not show, such as the state of the certificates.
    """

    time: datetime
    objects: tuple[ApiObject, ...]
    answers: Mapping[str, int] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    tool: str = ""

    def unread(self) -> dict[str, int]:
        """Return the paths that could not be read, with the status of the answer."""
        return {path: status for path, status in self.answers.items() if status >= 400 and status != 404}  # noqa: PLR2004 - HTTP

    def to_list(self) -> dict[str, Any]:
        """Return the archive as a List."""
        about = {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": {"name": "gpu-injector", "creationTimestamp": self.time.isoformat(timespec="seconds")},
            "version": VERSION,
            "tool": self.tool,
            "answers": dict(self.answers),
            "texts": dict(self.texts),
            "facts": dict(self.facts),
        }
        return {"apiVersion": "v1", "kind": "List", "items": [about, *self.objects]}


def dump(archive: Archive) -> bytes:
    """Return the archive as JSON."""
    return b"".join(json_lines(archive))


def json_lines(archive: Archive) -> Iterator[bytes]:
    """Yield the archive as JSON, one object in each line: as a whole it would need much memory."""
    yield b'{"apiVersion":"v1","kind":"List","items":['
    for number, item in enumerate(archive.to_list()["items"]):
        text_of_item = json.dumps(item, ensure_ascii=False, separators=(",", ":"))
        yield f"{',' if number else ''}\n{text_of_item}".encode()
    yield b"\n]}\n"


def load(content: bytes, source: str) -> Archive:
    """Return the archive that a file holds: JSON or YAML, compressed or not. Raises ArchiveError.

    A file without an Archive, as kubectl prints it, tells of the kinds of which it has objects or lists.
    """
    try:
        plain = gzip.decompress(content) if content.startswith(GZIP) else content
        return from_objects(_objects(plain.decode(), source))
    except (OSError, EOFError) as error:
        raise ArchiveError(f"{source}: {error}") from error
    except UnicodeDecodeError as error:
        raise ArchiveError(f"{source}: not UTF-8 text") from error
    except ManifestError as error:
        raise ArchiveError(str(error)) from error


def from_objects(objects: Iterable[ApiObject]) -> Archive:
    """Return the archive that objects make up. Raises ArchiveError for an unknown version, or what is no name."""
    found = list(objects)
    if odd := next((name for item in found for name in _names(item) if not NAME.fullmatch(name)), ""):
        raise ArchiveError(f"{odd[:80]!r} is no name of an object")
    about = next((item for item in found if item.get("kind") == KIND and item.get("apiVersion") == API_VERSION), None)
    others = tuple(item for item in found if item is not about)
    if about is None:
        return Archive(time=datetime.now(UTC), objects=others)
    if about.get("version") != VERSION:
        raise ArchiveError(f"the archive is of version {about.get('version')}; this program reads version {VERSION}")
    return Archive(
        time=parse_time(mapping(about.get("metadata")).get("creationTimestamp")) or datetime.now(UTC),
        objects=others,
        answers={path: status for path, status in mapping(about.get("answers")).items() if isinstance(status, int)},
        texts={path: text(value) for path, value in mapping(about.get("texts")).items()},
        facts=mapping(about.get("facts")),
        tool=text(about.get("tool")),
    )


def _names(item: ApiObject) -> Iterator[str]:
    if text(item.get("kind")) in DISCOVERY:
        return
    about = mapping(item.get("metadata"))
    yield from (text(about.get("name")), text(about.get("namespace")))
    yield text(mapping(item.get("spec")).get("nodeName"))
    yield text(mapping(item.get("involvedObject")).get("namespace"))
    for entry in items(item.get("webhooks")):
        # Of our own registration it is the namespace of the installation.
        yield text(mapping(mapping(entry.get("clientConfig")).get("service")).get("namespace"))


def _objects(plain: str, source: str) -> Iterable[ApiObject]:
    return (document.content for document in read_documents(plain, source))
