"""The output of ``eject``: a function for each ``-o``, and the files of a folder."""

import json
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from webhook.commands.eject.plan import Ejection, Note
from webhook.commands.shared.json_output import JSON_VERSION
from webhook.commands.shared.prediction import kind_word
from webhook.commands.shared.yaml_text import yaml_text
from webhook.kube.metadata import metadata, name_of
from webhook.kube.values import empty_mapping

MADE_BY = "# Made by `gpu-injector eject`"
KUSTOMIZATION = "kustomization.yaml"
HEAD = (
    f"{MADE_BY}: with these patches in your sources, pods do not need the webhook.\n"
    "# Put this folder beside your kustomization, and name it there:\n"
    "#   components: [eject]\n"
    "# kustomize skips a target without a match. If your sources name no namespace, remove `namespace`.\n"
    "# The proof, which must end with exit code 0:\n"
    "#   kubectl kustomize . | gpu-injector preview -f - -o table\n"
)
COMPONENT = {"apiVersion": "kustomize.config.k8s.io/v1alpha1", "kind": "Component"}
COMMANDS_HEAD = (
    "# Made by `gpu-injector eject -o kubectl`: it changes the objects in the cluster; their pods are re-created.\n"
    "# Applying your sources later reverts this: add the patches there, too (`-o kustomize`).\n"
)


@dataclass(frozen=True, slots=True)
class Made:
    """The patches, a note for each object without one, and what could not be read, with the reason."""

    ejections: Sequence[Ejection]
    notes: Sequence[Note]
    unread: Mapping[str, str] = field(default_factory=empty_mapping)


def kustomize(made: Made) -> str:
    """Return a kustomize component as one file, the patches within."""
    entries = [{"target": _target(one), "patch": yaml_text(_plain(one))} for one in made.ejections]
    return _component(made, entries)


def kustomize_folder(made: Made) -> Mapping[str, str]:
    """Return a kustomize component with a file for each patch: texts by file name."""
    entries = [{"path": file_name(one), "target": _target(one)} for one in made.ejections]
    patches = {file_name(one): f"{MADE_BY}: {one.summary}\n{yaml_text(_plain(one))}" for one in made.ejections}
    return {KUSTOMIZATION: _component(made, entries), **patches}


def kubectl(made: Made) -> str:
    """Return a shell script with a ``kubectl patch`` for each object."""
    lines = [line for one in made.ejections for line in _command(one)]
    aloud = "echo 'INCOMPLETE: patches may be missing; the script says why' >&2\n" if made.unread else ""
    return COMMANDS_HEAD + _incomplete(made.unread) + aloud + _by_hand(made.notes) + "".join(lines)


def as_json(made: Made) -> str:
    """Return the patches and the notes, for scripts."""
    patches = [{"object": one.reference, "summary": one.summary, "operations": _plain(one)} for one in made.ejections]
    notes = [{"object": note.reference, "code": note.code, "message": note.text} for note in made.notes]
    answer = {"version": JSON_VERSION, "patches": patches, "notes": notes, "unread": dict(made.unread)}
    return json.dumps(answer, indent=2, ensure_ascii=False) + "\n"


Writer = Callable[[Made], str]
WRITERS: Mapping[str, Writer] = {
    "kustomize": kustomize,
    "kubectl": kubectl,
    "json": as_json,
}


def file_name(one: Ejection) -> str:
    """Return the name of a patch's file: unique for each object, and always within the folder."""
    names = one.reference
    group, _, _ = names["apiVersion"].rpartition("/")
    words = (names["kind"], group, names["namespace"], names["name"])
    return "_".join(re.sub(r"[^a-z0-9.-]", "-", word.lower()).lstrip(".") for word in words if word) + ".yaml"


def _component(made: Made, entries: Sequence[Mapping[str, Any]]) -> str:
    text = HEAD + _incomplete(made.unread) + _by_hand(made.notes) + yaml_text(COMPONENT)
    if not made.ejections:
        return text + "patches: []\n"
    described = zip(made.ejections, entries, strict=True)
    return text + "patches:\n" + "".join(f"# {one.summary}\n{yaml_text([entry])}" for one, entry in described)


def _target(one: Ejection) -> dict[str, str]:
    """Return kustomize's selector of an object, for any version of its kind in the sources.

    Source: https://kubectl.docs.kubernetes.io/references/kustomize/kustomization/patches/
    """
    group, _, _ = one.reference["apiVersion"].rpartition("/")
    target = {"group": group} if group else {}
    target |= {"kind": one.reference["kind"], "name": _exactly(name_of(one.item))}
    if namespace := metadata(one.item).get("namespace"):
        target["namespace"] = _exactly(str(namespace))
    return target


def _exactly(name: str) -> str:
    # kustomize reads names as regular expressions, anchored at both ends.
    return name.replace(".", r"\.")


def _command(one: Ejection) -> Iterator[str]:
    yield f"# {one.summary}\n"
    if one.is_immutable:
        yield "# Its pod cannot be changed. Change the manifest, and delete and re-create the pod.\n"
        return
    names = one.reference
    group, _, version = names["apiVersion"].rpartition("/")
    # The kind with version and group: kubectl accepts it for every kind without its plural name.
    kind = f"{names['kind']}.{version}.{group}"
    patch = json.dumps(_plain(one), ensure_ascii=False)
    where = ["-n", names["namespace"]] if names["namespace"] else []
    words = ["kubectl", *where, "patch", kind, names["name"], "--type=json", "-p", patch]
    yield shlex.join(words) + "\n"


def _incomplete(unread: Mapping[str, str]) -> str:
    lines = "".join(f"#   {' '.join(f'{kind_word(kind)} ({why})'.split())}\n" for kind, why in unread.items())
    return f"# INCOMPLETE: patches may be missing, because these could not be read:\n{lines}" if lines else ""


def _by_hand(notes: Iterable[Note]) -> str:
    # A pod's author may write any text as the name of an owner, and the output may be a shell script.
    lines = "".join(f"#   {' '.join(note.text.split())}\n" for note in notes)
    return f"# No patch for:\n{lines}" if lines else ""


def _plain(one: Ejection) -> list[dict[str, Any]]:
    return [dict(operation) for operation in one.operations]
