"""The golden cases: a folder each, with a pod and, where the defaults do not fit, a view, a policy and request facts.

``podOf``, ``viewOf`` and ``policyOf`` in the facts name another case whose file is used.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from webhook.decide.decision import Decision, RequestInfo
from webhook.decide.plugin.decide import decide_plugin
from webhook.decide.workload.decide import decide
from webhook.kube.manifests import read_documents
from webhook.policy.load import parse_policy
from webhook.policy.model import Policy
from webhook.view.projections import view_of
from webhook.view.view import ClusterView

GOLDEN = Path(__file__).parents[1] / "data" / "golden"
CASES = sorted(path for path in GOLDEN.iterdir() if path.is_dir())


@dataclass(frozen=True, slots=True)
class GoldenCase:
    """What one folder asks, and of which decision: ``entry`` is ``workloads`` or ``bootstrap``."""

    pod: dict[str, Any]
    facts: RequestInfo
    policy: Policy
    view: ClusterView
    entry: str

    def decide(self) -> Decision:
        """Decide it."""
        pure = decide_plugin if self.entry == "bootstrap" else decide
        return pure(self.pod, self.facts, self.policy, self.view)


def read_case(folder: Path) -> GoldenCase:
    """Return the case of a folder."""
    said = _facts(folder)
    policy = _file(folder, "policy")
    pod = next(read_documents(pod_file(folder).read_text(), str(folder))).content
    return GoldenCase(
        pod=pod,
        facts=RequestInfo(
            namespace=pod["metadata"]["namespace"],
            operation=said.get("operation", "CREATE"),
            subresource=said.get("subresource", ""),
            username=said.get("username", ""),
            runtime_classes_age_seconds=said.get("runtimeClassesAgeSeconds", 0.0),
        ),
        policy=parse_policy(policy.read_text(), policy.name) if policy.exists() else Policy(),
        view=read_view(view_file(folder)),
        entry=said.get("entry", "workloads"),
    )


def pod_file(folder: Path) -> Path:
    """Return the file with the pod of a case: its own, or that of another case."""
    return _file(folder, "pod")


def view_file(folder: Path) -> Path:
    """Return the file with the view of a case: its own, that of another case, or the common one."""
    view = _file(folder, "view")
    return view if view.exists() else GOLDEN / "view.yaml"


def _file(folder: Path, name: str) -> Path:
    # The other case may use the file of yet another one.
    other = _facts(folder).get(f"{name}Of")
    return _file(GOLDEN / str(other), name) if other else folder / f"{name}.yaml"


def _facts(folder: Path) -> dict[str, Any]:
    facts = folder / "facts.yaml"
    found: dict[str, Any] = yaml.safe_load(facts.read_text()) if facts.exists() else {}
    return found


def read_view(path: Path) -> ClusterView:
    """Return the view of a file."""
    return view_of(document.content for document in read_documents(path.read_text(), str(path)))


def to_plain(decision: Decision) -> dict[str, Any]:
    """Return a decision as its golden file holds it."""
    return {
        "decision": decision.word,
        "dryRun": decision.dry_run,
        "warnings": list(decision.warnings),
        "evidence": list(decision.evidence),
        "operations": [dict(operation) for operation in decision.operations],
    }
