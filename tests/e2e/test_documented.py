"""Run the commands of the documents on a cluster. The marks: tests/support/doc_blocks.py."""

import json
from pathlib import Path

import pytest
from support.doc_blocks import Block, assert_shown, blocks
from support.doc_shell import scratch, typed

from e2e.control_plane import ControlPlane, wait_for_namespace
from e2e.kubectl import Kubectl
from e2e.namespaces import INJECT
from e2e.pods import decision_of, pod
from e2e.processes import until

NAMESPACE = "ml"
MARK = "run on a cluster in"
# The blocks of one document that are typed in one folder, one after the other.
SESSIONS: dict[str, list[Block]] = {}
for one in blocks():
    if one.marked(MARK):
        SESSIONS.setdefault(f"{one.document_name} {one.marked(MARK)}", []).append(one)


@pytest.mark.usefixtures("webhook")
@pytest.mark.parametrize("session", SESSIONS.values(), ids=SESSIONS.keys())
def test_what_is_shown_is_what_is_printed(plane: ControlPlane, session: list[Block], tmp_path: Path) -> None:
    """Line by line; no block is left out, and none is typed in another order than a reader's."""
    kubectl = plane.kubectl
    folder = scratch(session[0].marked(MARK), tmp_path / "here")
    kubectl.run("apply", "-f", str(folder / "cluster.yaml"))
    wait_for_namespace(plane, NAMESPACE)
    for block in session:
        printed: list[str] = []
        for command in block.commands:
            until(lambda: the_label_is_known(kubectl), f"the label of namespace {NAMESPACE} has its effect")
            printed += typed(command, folder, kubectl.program.parent, kubeconfig=kubectl.kubeconfig)
        assert_shown(list(block.lines), iter(printed), str(block))
    kubectl.run("delete", "pods", "--all", "--now", "-n", NAMESPACE)
    kubectl.run("label", "namespace", NAMESPACE, f"{INJECT}-")


def the_label_is_known(kubectl: Kubectl) -> bool:
    """Say whether API server and webhook follow the namespace's label yet; users are slower than their caches."""
    labels = kubectl.get("namespace", NAMESPACE)["metadata"]["labels"]
    command = ("create", "--dry-run=server", "-o", "json", "-f", "-")
    printed = kubectl.run(*command, stdin=json.dumps(pod(NAMESPACE)))
    seen = (decision_of(printed.object) is not None, bool(printed.warnings))
    return seen == (labels.get(INJECT) == "enabled", labels.get(INJECT) == "dry-run")
