"""Answers of the API server that are too large to be parsed: what their first bytes tell.

Users choose the content of objects, and the API server writes some of them larger than they were stored. An object
that is too large is not in the view, as if it did not exist; the others are.
"""

import re
from typing import Any

import orjson

from webhook.kube.json_size import MOST_VALUES, count_values

# A page that is larger is asked for again with fewer objects. Real pages are far below.
PAGE_BYTES = 4 * 2**20
HEAD_BYTES = 16 * 1024
TOO_LARGE = "TOO_LARGE"
"""The type of an event in place of one that is too large: only its object's name and revision are known."""

ITEMS = b'"items":'
TEXT = rb'"((?:[^"\\]){0,512})"'
# The API server writes the fields of built-in kinds in this order.
EVENT = re.compile(
    rb'\{"type":"[A-Z]{1,16}","object":\{"kind":%b,"apiVersion":%b,"metadata":\{"name":%b(?:,"generateName":%b)?'
    rb'(?:,"namespace":%b)?,"uid":%b,"resourceVersion":%b' % ((TEXT,) * 7)
)


def is_too_large(body: bytes) -> bool:
    """Say whether an answer has too many values to be parsed."""
    return count_values(body) > MOST_VALUES


def head_of_list(body: bytes) -> dict[str, Any] | None:
    """Return a list without its items: kind and metadata, None where these do not come first."""
    head, items, _ = body[:HEAD_BYTES].partition(ITEMS)
    try:
        found = orjson.loads(head.rstrip().rstrip(b",") + b"}") if items else None
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) and isinstance(found.get("metadata"), dict) else None


def event_without_content(line: bytes) -> dict[str, Any] | None:
    """Return an event ``TOO_LARGE`` with the name of its object, None where the line does not begin with that."""
    found = EVENT.match(line[:HEAD_BYTES])
    if found is None:
        return None
    kind, version, name, _, namespace, uid, revision = (
        (part or b"").decode(errors="replace") for part in found.groups()
    )
    metadata = {"name": name, "namespace": namespace, "uid": uid, "resourceVersion": revision}
    return {"type": TOO_LARGE, "object": {"kind": kind, "apiVersion": version, "metadata": metadata}}
