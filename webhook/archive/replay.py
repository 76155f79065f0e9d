"""A client that answers from an archive: commands that read a cluster read the file in the same way."""

import json
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from typing import Any, Self

from webhook.archive.archive import ApiObject, Archive
from webhook.archive.paths import Request, collection_of, parse_request, place_of
from webhook.kube.label_selector import matches_expression
from webhook.kube.metadata import labels_of, name_of, namespace_of
from webhook.kube.values import mapping, text
from webhook.kube_client.answer import SUCCESS, Answer
from webhook.kube_client.client import KubeClient

OK, ABSENT, NOT_ALLOWED, NOT_RECORDED = 200, 404, 405, 501
NOT_IN_FILE = {"kind": "Status", "reason": "not in the file", "message": "the file does not have it"}


class ReplayClient(KubeClient):
    """Answers reads from an archive; there is nothing to write to."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._objects: dict[tuple[str, str], list[ApiObject]] = {}
        for item in archive.objects:
            group, plural = collection_of(item)
            # An empty typed list says that there are no objects of its kind.
            if text(item.get("kind")).endswith("List") and item.get("kind") != "APIGroupList":
                kind = {**item, "kind": text(item.get("kind")).removesuffix("List")}
                self._objects.setdefault(collection_of(kind), [])
            else:
                self._objects.setdefault((group, plural), []).append(item)

    async def __aenter__(self) -> Self:
        """Return the client: there is nothing to open."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Do nothing."""

    async def exchange(self, method: str, path: str, **_: Any) -> Answer:  # noqa: ANN401 - as in KubeClient
        """Answer a read from the file."""
        named = f"{method} {path.partition('?')[0]}"
        if method != "GET":
            return _answer(named, NOT_ALLOWED, NOT_IN_FILE)
        if path in self._archive.texts:
            status = self._archive.answers.get(path, OK)
            return Answer(named, status, self._archive.texts[path].encode(errors="replace"))
        request = parse_request(path)
        status = self._status(request)
        if status not in SUCCESS:
            return _answer(named, status, NOT_IN_FILE if status == NOT_RECORDED else {"kind": "Status", "reason": ""})
        return self._found(named, request)

    def watch(self, path: str, *, read_timeout_seconds: float) -> AsyncGenerator[dict[str, Any], None]:
        """Raise: a file does not change."""
        raise NotImplementedError(path, read_timeout_seconds)

    def _status(self, request: Request) -> int:
        """Return how the request was answered when the file was written, by itself or by a list that contains it."""
        answers, place = self._archive.answers, request.place
        if request.path in answers:
            return answers[request.path]
        if place is None:
            return OK if request.path == "/apis" and self._groups() else NOT_RECORDED
        lists = _lists_above(request.path)
        if any(answers.get(path) in SUCCESS for path in lists):
            return OK
        known = (place.group, place.plural) in self._objects
        # A file of kubectl's tells nothing of what it does not contain.
        return OK if not answers and known else next((answers[path] for path in lists if path in answers), NOT_RECORDED)

    def _groups(self) -> list[ApiObject]:
        return self._objects.get(("", "apigrouplists"), [])

    def _found(self, named: str, request: Request) -> Answer:
        if request.path == "/apis":
            return _answer(named, OK, self._groups()[0] if self._groups() else {"kind": "APIGroupList", "groups": []})
        place = request.place
        if place is None:
            return _answer(named, OK, self._archive.facts.get(request.path.strip("/"), {}))
        items = [item for item in self._objects.get((place.group, place.plural), []) if _is_in(item, place.namespace)]
        if place.name:
            item = next((item for item in items if name_of(item) == place.name), None)
            return _answer(named, ABSENT if item is None else OK, item or {"kind": "Status"})
        items = [item for item in items if _label_test(request.labels)(item) and _field_test(request.fields)(item)]
        return _answer(named, OK, {"kind": _list_kind(items), "apiVersion": _version(items), "items": items})


def _answer(named: str, status: int, body: Mapping[str, Any]) -> Answer:
    return Answer(named, status, json.dumps(body).encode())


def _lists_above(path: str) -> list[str]:
    """Return the paths of the lists that contain what a path names: of its namespace, and of all of them."""
    place = place_of(path)
    if place is None:
        return []
    whole = path.removesuffix(f"/{place.name}") if place.name else path
    return [whole, whole.replace(f"/namespaces/{place.namespace}/", "/", 1)]


def _list_kind(items: list[ApiObject]) -> str:
    return f"{text(items[0].get('kind'))}List" if items else "List"


def _version(items: list[ApiObject]) -> str:
    return text(items[0].get("apiVersion")) if items else "v1"


def _is_in(item: ApiObject, namespace: str) -> bool:
    return namespace in ("", namespace_of(item))


def _label_test(selector: str) -> Callable[[ApiObject], bool]:
    """Return the test of a label selector: ``key``, ``key=value`` or ``key in (a,b)``, as commands write them."""
    if not selector:
        return lambda _: True
    expressions = list(_expressions(selector))
    return lambda item: all(matches_expression(expression, labels_of(item)) for expression in expressions)


def _expressions(selector: str) -> Iterable[Mapping[str, Any]]:
    key, is_in, values = selector.partition(" in (")
    if is_in:
        yield {"key": key, "operator": "In", "values": values.rstrip(")").split(",")}
        return
    for part in selector.split(","):
        key, equals, value = part.partition("=")
        yield {"key": key, "operator": "In" if equals else "Exists", "values": [value.lstrip("=")]}


def _field_test(selector: str) -> Callable[[ApiObject], bool]:
    """Return the test of a field selector: ``a.b=value`` or ``a.b!=value``."""
    parts = [part for part in selector.split(",") if part]
    return lambda item: all(_has_field(item, part) for part in parts)


def _has_field(item: ApiObject, part: str) -> bool:
    path, _, value = part.replace("!=", "=").partition("=")
    found: Any = item
    for key in path.split("."):
        found = mapping(found).get(key)
    return (text(found) == value) is ("!=" not in part)
