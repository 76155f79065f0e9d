"""``make manifests DIR=…``: how ``preview -o yaml`` treats real files. It prints the figures, and keeps nothing.

All must parse to what is expected, and 99 of 100 files that are patched must keep all other lines byte for byte.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import jsonpatch

from support.kept_lines import lost_lines
from webhook.commands.patched_stream import patched_stream
from webhook.commands.preview.render import authored_operations
from webhook.commands.shared.evaluate import predict
from webhook.commands.shared.input_files import InputError
from webhook.commands.shared.prediction import DEFAULT_NAMESPACE, PodVerdict, Situation
from webhook.decide.patch import Operation
from webhook.kube.manifests import Manifest, ManifestError, read_manifests
from webhook.kube.metadata import metadata
from webhook.policy.model import Policy
from webhook.view.projections import view_of

SUFFIXES = frozenset({".yaml", ".yml", ".json"})
KEPT_SHARE = 0.99
LABELS = {"gpu-injector.io/inject": "enabled"}
RUNTIME_CLASS = {
    "apiVersion": "node.k8s.io/v1",
    "kind": "RuntimeClass",
    "metadata": {"name": "nvidia"},
    "handler": "nvidia",
}


@dataclass(slots=True)
class Figures:
    """What became of the files; names of those that were not as they should be."""

    unreadable: int = 0
    unpatched: int = 0
    patched: int = 0
    wrong: list[str] = field(default_factory=list)
    rewritten: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Say whether the demands are met."""
        return not self.wrong and len(self.rewritten) <= (1 - KEPT_SHARE) * self.patched

    def lines(self) -> Iterator[str]:
        """Yield the figures, for people."""
        yield f"{self.unreadable} files not readable, {self.unpatched} without a change, {self.patched} patched"
        if self.patched:
            right, kept = self.patched - len(self.wrong), self.patched - len(self.rewritten)
            yield f"parse to what is expected: {right} ({right / self.patched:.1%})"
            yield f"keep all other lines:      {kept} ({kept / self.patched:.1%})"
        yield from (f"wrong: {name}" for name in self.wrong)
        yield from (f"other lines changed: {name}" for name in self.rewritten)


def measure(folder: Path) -> Figures:
    """Return the figures of all files below a folder, in a cluster in which each GPU pod gets the class."""
    figures = Figures()
    for path in sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES and path.is_file()):
        try:
            text = path.read_bytes().decode()
            manifests = list(read_manifests(text, str(path)))
        except (ManifestError, UnicodeDecodeError):
            figures.unreadable += 1
            continue
        _count(figures, path, text, manifests)
    return figures


def _count(figures: Figures, path: Path, text: str, manifests: Sequence[Manifest]) -> None:
    operations_of = authored_operations(_verdicts(manifests), lambda _: None)
    if not any(operations_of(one) for one in manifests):
        figures.unpatched += 1
        return
    figures.patched += 1
    notes: list[str] = []
    try:
        output = patched_stream(manifests, operations_of, notes.append)
    except InputError:
        figures.wrong.append(str(path))
        return
    expected = [_patched(one, operations_of(one)) for one in manifests if one.value is not None]
    if [one.value for one in read_manifests(output, "output") if one.value is not None] != expected:
        figures.wrong.append(str(path))
    if notes or lost_lines(text, output):
        figures.rewritten.append(str(path))


def _verdicts(manifests: Sequence[Manifest]) -> list[PodVerdict]:
    objects = [one.content for manifest in manifests for one in manifest.objects]
    names = {DEFAULT_NAMESPACE, *(str(metadata(one).get("namespace") or DEFAULT_NAMESPACE) for one in objects)}
    spaces = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": LABELS}} for name in names]
    situation = Situation(Policy(), view_of([RUNTIME_CLASS, *spaces]))
    return [verdict for one in objects for verdict in predict(one, situation)]


def _patched(manifest: Manifest, operations: Sequence[Operation]) -> object:
    patched: object = jsonpatch.JsonPatch(json.loads(json.dumps(operations))).apply(manifest.value)
    return patched


if __name__ == "__main__":
    found = measure(Path(sys.argv[1]))
    sys.stdout.writelines(f"{line}\n" for line in found.lines())
    sys.exit(0 if found.is_good else 1)
