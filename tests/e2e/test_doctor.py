"""`doctor` on real API servers: what an administrator sees, and what a namespace's viewer does."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from e2e.commands import gpu_injector
from e2e.control_plane import ControlPlane
from e2e.gpu_nodes import POOLS, gpu_nodes
from e2e.installation import Webhook
from e2e.kubectl import Kubectl
from e2e.namespaces import ENABLED
from e2e.pods import container, pod

pytestmark = pytest.mark.usefixtures("webhook")

VIEWER = "viewer"
BINDING = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "RoleBinding",
    "metadata": {"name": VIEWER, "namespace": ENABLED},
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
    "subjects": [{"kind": "ServiceAccount", "name": VIEWER, "namespace": ENABLED}],
}
ACCOUNT = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": VIEWER, "namespace": ENABLED}}


@pytest.fixture(scope="module")
def gpus(kubectl: Kubectl, webhook: Webhook) -> Iterator[None]:  # noqa: ARG001  as the docstring says
    """Have a node that proves the class, one that cannot run it, and a pod that sees GPUs it did not ask for.

    After the webhook, which waits at its start for what it decides without any node.
    """
    leaking = pod(ENABLED, container(gpus=1), container("sidecar"), runtimeClassName="nvidia")
    with gpu_nodes(kubectl, {pool: POOLS[pool] for pool in ("under-class", "runc-only")}):
        created = kubectl.create(leaking).object["metadata"]["name"]
        yield
        kubectl.run("delete", "pod", created, f"--namespace={ENABLED}", "--force", "--grace-period=0")


@pytest.fixture(scope="module")
def viewer(plane: ControlPlane) -> Path:
    """Return the kubeconfig of somebody with the role `view` in one namespace."""
    plane.kubectl.apply((ACCOUNT, BINDING))
    return plane.kubeconfig_of(VIEWER, ENABLED)


def looked(kubeconfig: Path, *arguments: str) -> tuple[int, Mapping[str, dict[str, Any]]]:
    """Run doctor; return its exit code, and what each check found."""
    printed = gpu_injector("doctor", "-o", "json", *arguments, kubeconfig=kubeconfig)
    assert printed.stdout, printed.stderr
    return printed.code, {row["check"]: row for row in printed.object["checks"]}


@pytest.mark.usefixtures("gpus")
def test_an_administrator_sees_everything(kubectl: Kubectl) -> None:
    """Nothing is unknown but what belongs to pods in the cluster: this webhook runs beside it, and is called by URL."""
    code, found = looked(kubectl.kubeconfig)
    states = {name: row["state"] for name, row in found.items()}
    assert code == 1
    assert {name for name, state in states.items() if state == "unknown"} <= {"webhook-log", "ca-bundle"}
    well = ("server-version", "webhook-answers", "registered", "registration-drift", "certificate")
    assert {name: states[name] for name in well} == dict.fromkeys(well, "pass")
    # In one of the labelled namespaces; other tests have theirs.
    (tried,) = found["webhook-answers"]["evidence"]
    assert tried.startswith("a GPU pod in team-")
    assert tried.endswith(": leave/handler-mixed")
    assert states["runtime-handler"] == "fail"
    assert found["runtime-handler"]["evidence"] == [
        'runc-only-1 (containerd 2.x) has no runtime "nvidia"; it knows runc'
    ]
    assert "nvidia-ctk runtime configure --runtime=containerd" in found["runtime-handler"]["fix"][0]
    assert states["pods-leaking"] == "warn"


@pytest.mark.usefixtures("gpus")
def test_a_viewer_sees_the_own_namespace(viewer: Path) -> None:
    """Pods and events of the namespace; all else is unknown, and what cannot be seen never passes."""
    code, found = looked(viewer, "-n", ENABLED)
    states = {name: row["state"] for name, row in found.items()}
    assert code == 3
    assert states["pods-leaking"] == "warn"
    assert (states["event-no-runtime"], states["server-version"]) == ("pass", "pass")
    # Other tests leave pods with zero quantities there, or do not.
    assert states["pods-zero"] in {"pass", "warn"}
    hidden = ("gpu-nodes", "plugin-nvml", "class-exists", "registered", "certificate", "pods-class", "webhook-answers")
    assert {name: states[name] for name in hidden} == dict.fromkeys(hidden, "unknown")
    assert found["gpu-nodes"]["evidence"] == ["no right to read nodes"]
    assert "cannot create resource" in found["webhook-answers"]["evidence"][0]
