"""``preview``: the decision for manifests, before anything is created."""

import copy
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import jsonpatch
from rich.console import Console

from webhook.cluster.view import ClusterView
from webhook.commands.inputs import read_manifests, read_policy, read_view
from webhook.commands.show import diff_of
from webhook.decide.case import RequestFacts
from webhook.decide.decision import Decision, Verdict
from webhook.decide.patch import Operation, below
from webhook.decide.template import pods_within
from webhook.decide.workload import decide
from webhook.policy import Policy
from webhook.raw import mapping

DEFAULT_NAMESPACE = "default"


@dataclass(frozen=True, slots=True)
class Preview:
    """The decision for one pod, or for one pod template, of a manifest.

    ``template`` is the JSON pointer of the template, empty for a pod; ``operations`` start at the object's root.
    """

    item: dict[str, Any]
    template: str
    decision: Decision

    @property
    def operations(self) -> tuple[Operation, ...]:
        """Return the operations, relative to the root of the whole object."""
        return below(self.template, self.decision.operations)

    @property
    def would_change(self) -> bool:
        """Say whether anything is to be done; the annotation of a pod left alone is nothing."""
        return self.decision.verdict is not Verdict.LEAVE and bool(self.operations)

    def changed(self) -> dict[str, Any]:
        """Return a copy of the object with the operations applied, dry-run or not."""
        return apply(self.item, self.operations)

    def to_json(self) -> dict[str, Any]:
        """Return the row of ``-o json``, a stable form."""
        return {
            "object": reference(self.item),
            "template": self.template,
            "verdict": self.decision.verdict,
            "reason": self.decision.reason,
            "operations": list(self.operations),
            "warnings": list(self.decision.warnings),
            "patched": self.item if self.decision.dry_run else self.changed(),
            "dryRun": self.decision.dry_run,
        }


def preview(files: tuple[str, ...], view_file: Path, policy_file: Path | None, output: str) -> int:
    """Print the decisions; return the exit code: 0 nothing to change, 1 something would change."""
    policy = read_policy(policy_file)
    view = read_view(view_file, policy)
    found = [item for document in read_manifests(files) for item in previews(document.content, policy, view)]
    if output == "json":
        click.echo(json.dumps([item.to_json() for item in found], indent=2, ensure_ascii=False))
    else:
        show(found, Console(highlight=False, soft_wrap=True))
    return int(any(item.would_change for item in found))


def previews(item: dict[str, Any], policy: Policy, view: ClusterView) -> Iterator[Preview]:
    """Yield the decision for each pod, or pod template, of an object."""
    namespace = reference(item)["namespace"]
    for pointer, pod in pods_within(item):
        facts = RequestFacts(namespace=namespace, is_template=bool(pointer))
        yield Preview(item, pointer, decide(pod, facts, policy, view))


def show(found: Iterable[Preview], console: Console) -> None:
    """Print each decision with its diff."""
    for item in found:
        names = reference(item.item)
        title = f"{names['kind']} {names['namespace']}/{names['name']}{item.template and ' at ' + item.template}"
        console.print(
            f"{title}: {item.decision.word}{' (dry-run)' if item.decision.dry_run else ''}", style="bold", markup=False
        )
        for warning in item.decision.warnings:
            console.print(f"  Warning: {warning}", style="yellow", markup=False)
        if item.operations:
            console.print(diff_of(item.item, item.changed()))


def reference(item: dict[str, Any]) -> dict[str, str]:
    """Return apiVersion, kind, namespace (``default`` where none is named) and name of an object."""
    metadata = mapping(item.get("metadata"))
    return {
        "apiVersion": str(item.get("apiVersion") or ""),
        "kind": str(item.get("kind") or ""),
        "namespace": str(metadata.get("namespace") or DEFAULT_NAMESPACE),
        "name": str(metadata.get("name") or metadata.get("generateName") or ""),
    }


def apply(item: dict[str, Any], operations: Iterable[Operation]) -> dict[str, Any]:
    """Return a copy of an object with operations applied."""
    patched: dict[str, Any] = jsonpatch.JsonPatch(copy.deepcopy(list(operations))).apply(item)
    return patched
