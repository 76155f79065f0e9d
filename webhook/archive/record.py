"""A client that keeps what it was answered, reduced and without secrets: so a file holds all that commands read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from webhook.archive.paths import Place, parse_request
from webhook.archive.reduce import Json, Reducer
from webhook.kube.metadata import full_name
from webhook.kube.values import elements, mapping, text
from webhook.kube_client.answer import SUCCESS, Answer
from webhook.kube_client.client import KubeClient
from webhook.kube_client.wrapped_client import ForwardingClient

DISCOVERY = {"/apis": "APIGroupList"}
VERSION_PATH = "/version"
OK = 200


@dataclass(slots=True)
class Recorded:
    """What was answered: reduced objects, statuses by path, texts (logs) by path with query."""

    keeps: Callable[[Mapping[str, Any]], bool]
    reduce: Reducer = field(default_factory=Reducer)
    answers: dict[str, int] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    _objects: dict[tuple[str, str], Json] = field(default_factory=dict)

    def objects(self) -> tuple[Json, ...]:
        """Return the objects, from whose messages the words that were taken out anywhere are gone.

        They are handed over: a large cluster has tens of thousands, and two copies need much memory.
        """
        recorded, self._objects = list(reversed(self._objects.values())), {}
        again = (self.reduce(recorded.pop()) for _ in range(len(recorded)))
        return tuple(item for item in again if item is not None)

    def logs(self) -> dict[str, str]:
        """Return the logs, likewise."""
        return {path: self.reduce.text(log) for path, log in self.texts.items()}

    def add_text(self, path: str, value: str) -> None:
        """Keep a text that was answered, such as a log."""
        self.texts[path], self.answers[path] = value, OK

    def add(self, item: Mapping[str, Any]) -> None:
        """Keep an object, if it is of interest."""
        if self.keeps(item) and (reduced := self.reduce(item)) is not None:
            self._objects[f"{item.get('apiVersion')} {item.get('kind')}", full_name(item)] = reduced


class RecordingClient(ForwardingClient):
    """A client that sends requests by another one, and records what is read. Secrets are never kept."""

    def __init__(self, client: KubeClient, recorded: Recorded) -> None:
        super().__init__(client)
        self._recorded = recorded

    def answered(self, method: str, path: str, answer: Answer, /) -> None:
        """Record the answer to a read."""
        if method == "GET":
            self._record(path, answer)

    def _record(self, target: str, answer: Answer) -> None:
        request = parse_request(target)
        place = request.place
        if place is not None and place.plural == "secrets":
            return
        if place is not None and place.part == "log":
            key, log = target, answer.body.decode(errors="replace") if answer.status in SUCCESS else ""
            self._recorded.texts[key] = log
            self._recorded.answers[target] = answer.status
            return
        self._recorded.answers[request.path] = answer.status
        if answer.status in SUCCESS and (found := answer.json) is not None:
            self._keep(request.path, place, found)

    def _keep(self, path: str, place: Place | None, found: Mapping[str, Any]) -> None:
        if path == VERSION_PATH:
            self._recorded.facts["version"] = {
                key: text(found.get(key))[:64] for key in ("major", "minor", "gitVersion")
            }
        elif path in DISCOVERY:
            self._recorded.add({**found, "kind": DISCOVERY[path], "apiVersion": "v1", "metadata": {"name": path}})
        elif place is not None and not place.name:
            kind = {"apiVersion": found.get("apiVersion"), "kind": text(found.get("kind")).removesuffix("List")}
            for item in elements(found.get("items")):
                self._recorded.add(kind | dict(mapping(item)))
        elif place is not None:
            self._recorded.add(found)
