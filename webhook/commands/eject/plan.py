"""Plan how to replace the webhook: a JSON Patch for each object whose pods it changes, and what no patch can do."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from webhook.commands.shared.evaluate import NOTE_CODES
from webhook.commands.shared.prediction import PodVerdict, kind_word
from webhook.decide.decision import Verdict
from webhook.decide.patch import Operation
from webhook.decide.pod import Pod, runtime_class_name
from webhook.kube.metadata import controlling_owner, metadata, name_of
from webhook.kube.values import at, elements, mapping, text

# The templates of these are immutable.
IMMUTABLE_KINDS = frozenset({"Job", "Pod"})
CONTAINER = re.compile("/spec/(containers|initContainers)/([0-9]+)/")
NODES_SHOWN = 3
IN_DRY_RUN = "in dry-run: the webhook changes nothing here"


@dataclass(frozen=True, slots=True)
class Ejection:
    """One object to be patched.

    ``operations`` are RFC 6902, from its root; each container is tested for its name before it is changed.
    ``verdicts`` are the decisions behind them, one for each pod template.
    """

    verdicts: tuple[PodVerdict, ...]
    operations: tuple[Operation, ...]

    @property
    def item(self) -> Mapping[str, Any]:
        """The object as it is."""
        return self.verdicts[0].item

    @property
    def reference(self) -> Mapping[str, str]:
        """Its apiVersion, kind, namespace and name."""
        return self.verdicts[0].reference

    @property
    def summary(self) -> str:
        """The object and the decisions on its pods, in one line."""
        words = sorted({one.decision.word for one in self.verdicts})
        return f"{self.verdicts[0].subject}: {', '.join(words)}"

    @property
    def is_immutable(self) -> bool:
        """Say whether it is in a cluster already, which refuses to change such pods."""
        return self.reference["kind"] in IMMUTABLE_KINDS and is_stored(self.item)


@dataclass(frozen=True, slots=True)
class Note:
    """What no patch can do: the object, a word for programs, and the sentence, which begins with the object."""

    reference: Mapping[str, str]
    code: str
    text: str


def eject(found: Iterable[PodVerdict]) -> tuple[list[Ejection], list[Note]]:
    """Return the objects to be patched, and what no patch can do."""
    ejections: list[Ejection] = []
    notes: list[Note] = []
    for verdicts in _by_object(found):
        notes += [_later(one) for one in verdicts if one.obstacle]
        writable = [one for one in verdicts if not one.obstacle]
        if note := _note(writable):
            code, why = note
            notes.append(Note(writable[0].reference, code, f"{writable[0].subject}: {why}"))
        elif wanted := [one.as_template() for one in writable if one.would_change]:
            ejections.append(Ejection(tuple(wanted), tuple(op for one in wanted for op in _operations(one))))
    return ejections, notes


def is_stored(item: Mapping[str, Any]) -> bool:
    """Say whether the object is stored in an API server, and not an author's manifest."""
    return bool(metadata(item).get("uid"))


def _by_object(found: Iterable[PodVerdict]) -> Iterator[Sequence[PodVerdict]]:
    objects: dict[int, list[PodVerdict]] = {}
    for one in found:
        objects.setdefault(id(one.item), []).append(one)
    yield from objects.values()


def _in_dry_run(verdicts: Sequence[PodVerdict]) -> str:
    dry = any(one.decision.dry_run for one in verdicts)
    return IN_DRY_RUN if dry else ""


def _later(verdict: PodVerdict) -> Note:
    """Return the note for a place without a field: what is lost there without the webhook."""
    if verdict.decision.dry_run:
        return Note(verdict.reference, "dry-run", f"{verdict.title}: {IN_DRY_RUN}")
    why = f"not covered by patches: {verdict.obstacle.removeprefix('gpu-injector: ')}"
    code = NOTE_CODES.get(verdict.obstacle, "not-covered")
    return Note(verdict.reference, code, f"{verdict.title}: {why}")


def _running_pod(verdicts: Sequence[PodVerdict]) -> str:
    pod = verdicts[0].item
    if verdicts[0].template or not is_stored(pod):
        return ""
    owner = controlling_owner(pod)
    name = runtime_class_name(verdicts[0].changed())
    gains = f"runtimeClassName: {name}" if name else "the driver's libraries (`gpu-injector preview` shows them)"
    if owner:
        return f"{owner.get('kind')} {owner.get('name')} creates it: add {gains} there"
    return f"a pod cannot be changed; re-create it with {gains} in its manifest"


def _nameless(verdicts: Sequence[PodVerdict]) -> str:
    return "" if name_of(verdicts[0].item) else "it has no name yet, so no patch can name it"


def _nodes_differ(verdicts: Sequence[PodVerdict]) -> str:
    if len({one.template for one in verdicts}) == len(verdicts):
        return ""
    nodes = ", ".join(f"{one.decision.word} on {' and '.join(one.nodes[:NODES_SHOWN])}" for one in verdicts)
    return f"its template is one for all nodes, and they need different ones ({nodes}); see docs/eject.md"


# Why there is no patch for an object, by a word for programs: the first reason that applies is noted.
OBSTACLES: Mapping[str, Callable[[Sequence[PodVerdict]], str]] = {
    "dry-run": _in_dry_run,
    "running-pod": _running_pod,
    "no-name": _nameless,
    "nodes-differ": _nodes_differ,
}


def _note(verdicts: Sequence[PodVerdict]) -> tuple[str, str] | None:
    """Return why there is no patch for an object: word and sentence; None if there is one, or none is needed."""
    if unread := dict.fromkeys(kind for one in verdicts for kind in one.unread):
        return "unknown", f"unknown: could not read {', '.join(map(kind_word, unread))}"
    if all(one.decision.verdict is Verdict.LEAVE for one in verdicts):
        return None
    return next(((code, why) for code, obstacle in OBSTACLES.items() if (why := obstacle(verdicts))), None)


def _operations(verdict: PodVerdict) -> Iterator[Operation]:
    """Yield the operations, and before those of a container a test that it has the expected name."""
    tested = set()
    for operation in verdict.decision.operations:
        pointer, name = _container(operation["path"], verdict.question.pod)
        if name and pointer not in tested:
            tested.add(pointer)
            yield from verdict.placed([{"op": "test", "path": at(pointer, "name"), "value": name}])
        yield from verdict.placed([operation])


def _container(path: str, pod: Pod) -> tuple[str, str]:
    """Return pointer and name of the container that contains a path; empty if none does."""
    found = CONTAINER.match(path)
    if not found:
        return "", ""
    containers = elements(mapping(pod.get("spec")).get(found[1]))
    return found[0].rstrip("/"), text(mapping(containers[int(found[2])]).get("name"))
