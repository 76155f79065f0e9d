"""The commands that read a cluster, on the real API server: their decision is the webhook's."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from e2e.control_plane import ControlPlane
from e2e.kubectl import Kubectl
from e2e.namespaces import ENABLED, UNLABELLED
from e2e.pods import container, decision_of, pod

SCRIPTS = Path(sys.executable).parent
NAME = "asked-about"
TEMPLATE = """\
# What an author writes.
apiVersion: apps/v1
kind: Deployment
metadata:
  name: previewed
  namespace: team-enabled
spec:
  selector: {matchLabels: {app: previewed}}
  template:
    metadata:
      labels: {app: previewed}
    spec:
      containers:
      - name: main
        image: registry.example.com/cuda:12
        resources: {limits: {nvidia.com/gpu: 1}}   # one
      - name: side
        image: registry.example.com/side:1
"""


def command(plane: ControlPlane, *words: str, text: str = "") -> "subprocess.CompletedProcess[str]":
    """Run the command line as the administrator of the cluster."""
    environment = {**os.environ, "KUBECONFIG": str(plane.kubectl.kubeconfig)}
    return subprocess.run(
        [SCRIPTS / "gpu-injector", *words], env=environment, input=text, capture_output=True, text=True, check=False
    )


@pytest.mark.usefixtures("webhook")
def test_why_tells_what_the_webhook_did(plane: ControlPlane, kubectl: Kubectl) -> None:
    """The registration as the API server has it is judged as the API server did."""
    for namespace, called in ((ENABLED, True), (UNLABELLED, False)):
        created = kubectl.create(pod(namespace, container(gpus=1), name=NAME)).object
        done = command(plane, "why", f"pod/{NAME}", "-n", namespace, "-o", "json")
        (answer,) = json.loads(done.stdout)["explanations"]
        assert (answer["called"][0]["entry"], answer["called"][0]["called"]) == ("workloads.gpu-injector.io", called)
        assert (decision_of(created) is not None) is called
        assert answer["pods"] == [{"name": NAME, "decision": decision_of(created)}]
        kubectl.run("delete", "pod", NAME, "-n", namespace, "--now")


@pytest.mark.usefixtures("webhook")
def test_preview_shows_what_runs(plane: ControlPlane, kubectl: Kubectl) -> None:
    """An unpatched pod in an enabled namespace would be patched if it were re-created."""
    kubectl.create(pod(ENABLED, container(gpus=1), name=NAME, labels={"gpu-injector.io/inject": "disabled"}))
    kubectl.run("label", "pod", NAME, "-n", ENABLED, "gpu-injector.io/inject-", "team=previewed")
    done = command(plane, "preview", "-n", ENABLED, "-l", "team=previewed", "-o", "json")
    (row,) = json.loads(done.stdout)["verdicts"]
    assert (row["object"]["name"], row["verdict"], done.returncode) == (NAME, "inject", 1)
    kubectl.run("delete", "pod", NAME, "-n", ENABLED, "--now")


@pytest.mark.usefixtures("webhook")
def test_patched_yaml_is_applied_as_it_is(plane: ControlPlane, kubectl: Kubectl) -> None:
    """`preview -o yaml | kubectl apply`, and the pods need nothing more."""
    done = command(plane, "preview", "-f", "-", "-o", "yaml", text=TEMPLATE)
    assert (done.returncode, "# one" in done.stdout, done.stdout.startswith("# What an author")) == (0, True, True)
    kubectl.run("apply", "--dry-run=server", "-f", "-", stdin=done.stdout)
    again = command(plane, "preview", "-f", "-", "-o", "json", text=done.stdout)
    assert [row["reason"] for row in json.loads(again.stdout)["verdicts"]] == ["author-chose"]


def test_kubectl_runs_it_as_a_plugin(kubectl: Kubectl, monkeypatch: pytest.MonkeyPatch) -> None:
    """`kubectl gpu-injector …`, found on the PATH."""
    monkeypatch.setenv("PATH", f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}")
    done = subprocess.run([kubectl.program, "gpu-injector", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("gpu-injector, version")
