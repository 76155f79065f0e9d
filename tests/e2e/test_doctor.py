"""`doctor` on real API servers: what an administrator sees, and what a namespace's viewer does."""

import json
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from e2e.commands import gpu_injector
from e2e.control_plane import ControlPlane, wait_for_namespace
from e2e.gpu_nodes import POOLS, gpu_nodes
from e2e.installation import Webhook
from e2e.kubectl import Kubectl
from e2e.namespaces import INJECT
from e2e.pods import container, pod
from e2e.service_accounts import account_with_role

pytestmark = pytest.mark.usefixtures("webhook")

# Its own, so that no other test leaves pods there; the first by name of those opted in, where doctor tries its pod.
NS = "a-doctor"
NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NS, "labels": {INJECT: "enabled"}}}

VIEWER = "viewer"


@pytest.fixture(scope="module")
def gpus(plane: ControlPlane, kubectl: Kubectl, webhook: Webhook) -> Iterator[None]:  # noqa: ARG001  as the docstring says
    """Have a node that proves the class, one that cannot run it, and a pod that sees GPUs it did not ask for.

    After the webhook, which waits at its start for what it decides without any node.
    """
    kubectl.apply([NAMESPACE])
    wait_for_namespace(plane, NS)
    leaking = pod(NS, container(gpus=1), container("sidecar"), runtimeClassName="nvidia")
    with gpu_nodes(kubectl, {pool: POOLS[pool] for pool in ("under-class", "runc-only")}):
        kubectl.create(leaking)
        yield
    kubectl.run("delete", "namespace", NS, "--wait=false")


@pytest.fixture(scope="module")
def viewer(plane: ControlPlane, gpus: None) -> Path:  # noqa: ARG001  which makes the namespace
    """Return the kubeconfig of a user with the role `view` in one namespace."""
    plane.kubectl.apply(account_with_role(VIEWER, NS, "view"))
    return plane.kubeconfig_of(VIEWER, NS)


def looked(kubeconfig: Path, *arguments: str) -> tuple[int, Mapping[str, dict[str, Any]]]:
    """Run doctor; return its exit code, and what each check found."""
    printed = gpu_injector("doctor", "-o", "json", *arguments, kubeconfig=kubeconfig)
    assert printed.stdout, printed.stderr
    return printed.code, {row["check"]: row for row in printed.object["checks"]}


@pytest.mark.usefixtures("gpus")
def test_an_administrator_sees_everything(kubectl: Kubectl) -> None:
    """Nothing is unknown but the log of our pods: this webhook runs beside the cluster, and is called by URL."""
    code, found = looked(kubectl.kubeconfig)
    states = {name: row["state"] for name, row in found.items()}
    assert code == 1
    assert {name for name, state in states.items() if state == "unknown"} == {"webhook-log"}
    well = ("server-version", "webhook-answers", "registered", "registration-drift", "certificate", "ca-bundle-served")
    assert {name: states[name] for name in well} == dict.fromkeys(well, "pass")
    assert said(found["webhook-answers"]) == [f"a GPU pod in {NS}: leave/handler-mixed"]
    # The nodes offer GPUs without any plugin pod: a service of the host serves them, and needs no handler.
    assert states["runtime-handler"] == "pass"
    assert states["pods-leaking"] == "warn"


def test_a_viewer_sees_the_own_namespace(viewer: Path) -> None:
    """Pods and events of the namespace; everything else is unknown, and never passes."""
    code, found = looked(viewer, "-n", NS)
    states = {name: row["state"] for name, row in found.items()}
    assert code == 3
    assert states["pods-leaking"] == "warn"
    well = ("event-no-runtime", "pods-zero", "server-version")
    assert {name: states[name] for name in well} == dict.fromkeys(well, "pass")
    hidden = ("gpu-nodes", "plugin-nvml", "class-exists", "registered", "certificate", "pods-class", "webhook-answers")
    assert {name: states[name] for name in hidden} == dict.fromkeys(hidden, "unknown")
    assert said(found["gpu-nodes"]) == ["no right to read nodes"]
    assert "cannot create resource" in said(found["webhook-answers"])[0]


FOREIGN = {
    "name": "secrets.example.com",
    "clientConfig": {"url": "https://127.0.0.1:1/steal"},
    "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}],
    # No object has this label, so that nothing waits for it.
    "objectSelector": {"matchLabels": {"example.com/none": "none"}},
    "failurePolicy": "Ignore",
    "sideEffects": "None",
    "admissionReviewVersions": ["v1"],
}
REGISTRATION = "mutatingwebhookconfiguration"


def said(row: dict[str, Any]) -> list[str]:
    """Return the evidence of a check."""
    return [one["message"] for one in row["evidence"]]


@pytest.mark.usefixtures("gpus")
def test_the_fix_removes_a_foreign_entry(kubectl: Kubectl) -> None:
    """`kubectl apply` of the registration keeps the entry; the printed command removes it, and nothing else."""
    whole = kubectl.run("get", REGISTRATION, "gpu-injector", "-o", "json").object
    ours = [entry["name"] for entry in whole["webhooks"]]
    added = [{"op": "add", "path": "/webhooks/1", "value": FOREIGN}]
    kubectl.run("patch", REGISTRATION, "gpu-injector", "--type=json", "-p", json.dumps(added))
    try:
        applied = json.loads(whole["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"])
        kubectl.apply([applied])
        assert sorted(names_of_entries(kubectl)) == sorted([FOREIGN["name"], *ours])
        row = looked(kubectl.kubeconfig)[1]["foreign-entries"]
        program, *command = shlex.split(row["fix"][0]["command"])
        assert (row["state"], program) == ("fail", "kubectl")
        kubectl.run(*command)
    finally:
        left = names_of_entries(kubectl)
        if FOREIGN["name"] in left:
            path = f"/webhooks/{left.index(FOREIGN['name'])}"
            kubectl.run(
                "patch", REGISTRATION, "gpu-injector", "--type=json", "-p", f'[{{"op":"remove","path":"{path}"}}]'
            )
    assert sorted(left) == sorted(ours)
    assert looked(kubectl.kubeconfig)[1]["foreign-entries"]["state"] == "pass"


def names_of_entries(kubectl: Kubectl) -> list[str]:
    """Return the names of the registration's entries."""
    item = kubectl.run("get", REGISTRATION, "gpu-injector", "-o", "json").object
    return [entry["name"] for entry in item["webhooks"]]
