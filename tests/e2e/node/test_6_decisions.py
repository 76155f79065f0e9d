"""`gpu-injector decisions` through a real kubelet and container runtime, to a replica on its pod's loopback alone."""

import http.client
import json
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e.installation import NAME
from e2e.node.cluster import Cluster
from e2e.node.images import PROBE
from e2e.pods import container, pod
from e2e.processes import until

NAMESPACE = "default"
CHECKOUT = Path(__file__).parents[3]
VIEW = CHECKOUT / "tests" / "e2e" / "page" / "view.yaml"
PORT = 8443

# What the command says that it needs. Which of the verbs is asked for depends on the version of the API server.
RIGHTS = [
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
    {"apiGroups": [""], "resources": ["pods/portforward"], "verbs": ["get", "create"]},
]


def replica() -> dict[str, Any]:
    """Return a pod that runs this checkout, with the machine's Python: the node sees the machine's files."""
    # The environment may be a link to one outside the checkout, and then it has another checkout's packages.
    paths = dict.fromkeys((Path("/usr"), Path(sys.base_prefix), CHECKOUT, Path(sys.prefix).resolve()))
    folders = [path for path in paths if not any(other in path.parents for other in paths)]
    volumes = [{"name": f"v{number}", "hostPath": {"path": str(path)}} for number, path in enumerate(folders)]
    mounts = [{"name": f"v{number}", "mountPath": str(path), "readOnly": True} for number, path in enumerate(folders)]
    program = str(Path(sys.executable).with_name(NAME))
    command = [sys.executable, program, "serve", "--standalone", "--view", str(VIEW), "--host", "0.0.0.0"]  # noqa: S104
    labels = {"app.kubernetes.io/name": NAME}
    main = container(
        image=PROBE,
        command=command,
        env=[{"name": "PYTHONPATH", "value": str(CHECKOUT)}],
        volumeMounts=mounts,
        readinessProbe={"httpGet": {"path": "/readyz", "port": 8080}},
    )
    return pod(NAMESPACE, main, name="gpu-injector-0", labels=labels, volumes=volumes)


@pytest.fixture(scope="module")
def address(on_node: Cluster) -> Iterator[str]:
    """Run a replica, and return its pod's address."""
    on_node.kubectl.create(replica())
    try:
        yield until(lambda: _ready_address(on_node), "the replica is ready")
    finally:
        on_node.kubectl.run("delete", "pod", "gpu-injector-0", "--now")


def _ready_address(on_node: Cluster) -> str:
    status = on_node.kubectl.get("pod/gpu-injector-0")["status"]
    ready = any(one["type"] == "Ready" and one["status"] == "True" for one in status.get("conditions", []))
    return str(status["podIP"]) if ready else ""


@pytest.fixture(scope="module")
def kubeconfig(on_node: Cluster) -> Path:
    """Return the kubeconfig of a user who has the rights that the command needs, and no others."""
    name = "decisions-reader"
    own = {"name": name, "namespace": NAMESPACE}
    rbac = "rbac.authorization.k8s.io"
    on_node.kubectl.apply(
        (
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": own},
            {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": own, "rules": RIGHTS},
            {
                "apiVersion": f"{rbac}/v1",
                "kind": "RoleBinding",
                "metadata": own,
                "roleRef": {"apiGroup": rbac, "kind": "Role", "name": name},
                "subjects": [{"kind": "ServiceAccount", **own}],
            },
        )
    )
    return on_node.plane.kubeconfig_of(name, NAMESPACE)


def _ask(address: str, pod_name: str) -> None:
    """Send the replica a review, as the API server would."""
    request = {
        "uid": "of-the-test",
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "namespace": "ml",
        "operation": "CREATE",
        "object": pod("ml", name=pod_name),
    }
    review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
    # Its authority is in the pod's memory alone.
    trusting = ssl._create_unverified_context()  # noqa: S323, SLF001 - the pod of this test
    connection = http.client.HTTPSConnection(address, PORT, context=trusting, timeout=10)
    connection.request("POST", "/mutate/workloads", json.dumps(review))
    assert connection.getresponse().status == http.client.OK
    connection.close()


def test_the_decisions_come_through_the_kubelet(address: str, kubeconfig: Path) -> None:
    """Without kubectl, with two rights, from a replica that listens on loopback only."""
    _ask(address, "model")
    with pytest.raises(OSError):  # noqa: PT011 - refused, on any network
        http.client.HTTPConnection(address, 8081, timeout=5).connect()
    command = [str(Path(sys.executable).with_name(NAME)), "decisions", "--kubeconfig", str(kubeconfig)]
    printed = subprocess.run(
        [*command, "--installed-in", NAMESPACE, "-o", "json"], capture_output=True, text=True, timeout=60, check=False
    )
    assert (printed.returncode, printed.stderr) == (0, "")
    assert [(one["replica"], one["namespace"], one["name"]) for one in json.loads(printed.stdout)["decisions"]] == [
        ("gpu-injector-0", "ml", "model")
    ]
