"""The paths of the API: which objects a path names."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from webhook.kube.values import text

COLLECTION = re.compile(
    r"/(?:api/[^/]+|apis/(?P<group>[^/]+)/[^/]+)(?:/namespaces/(?P<namespace>[^/]+)(?=/[^/]))?"
    r"/(?P<plural>[^/]+)(?:/(?P<name>[^/]+))?(?:/(?P<part>.+))?"
)


class Place(NamedTuple):
    """What a path names: a list (``name`` empty), an object, or a part of it such as its log."""

    group: str
    plural: str
    namespace: str
    name: str
    part: str


class Request(NamedTuple):
    """A request: its path without the query, what it names (None: no objects), and the query's selectors."""

    path: str
    place: Place | None
    labels: str
    fields: str


def parse_request(target: str) -> Request:
    """Return what a path with its query asks for."""
    parts = urlsplit(target)
    query = parse_qs(parts.query)
    return Request(
        parts.path, place_of(parts.path), *(query.get(key, [""])[0] for key in ("labelSelector", "fieldSelector"))
    )


def place_of(path: str) -> Place | None:
    """Return what a path names, None for paths of discovery."""
    found = COLLECTION.fullmatch(path)
    if found is None:
        return None
    names = (found[key] or "" for key in ("group", "plural", "namespace", "name", "part"))
    return Place(*map(unquote, names))


def plural_of(kind: str) -> str:
    """Return the name of a kind in paths, as the API server forms it.

    Source: https://pkg.go.dev/k8s.io/apimachinery/pkg/api/meta#UnsafeGuessKindToResource
    """
    word = kind.lower()
    if word.endswith("s"):
        return f"{word}es"
    return f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"


def collection_of(item: Mapping[str, Any]) -> tuple[str, str]:
    """Return the API group and the plural of an object's kind."""
    group, slash, _ = text(item.get("apiVersion")).partition("/")
    return group if slash else "", plural_of(text(item.get("kind")))
