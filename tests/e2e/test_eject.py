"""``eject``, then the webhook is uninstalled: new pods still get their GPUs."""

import os
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.commands import gpu_injector
from e2e.custom_kinds import definition
from e2e.installation import NAME
from e2e.kubectl import Kubectl, as_list
from e2e.namespaces import ENABLED
from e2e.pods import container, decision_of, pod, runtime_class_of, visible_devices_of, wait_for_decision
from e2e.pods import would_be_decided as decided
from e2e.processes import until

REGISTRATIONS = ("mutatingwebhookconfiguration", "validatingwebhookconfiguration")
SPEC = pod(ENABLED, container(gpus=1), container("side"))["spec"]
METADATA = {"name": "ejected", "namespace": ENABLED, "labels": {"team": "ejected"}}
LABELS = {"app": "ejected"}
DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": METADATA,
    "spec": {"selector": {"matchLabels": LABELS}, "template": {"metadata": {"labels": LABELS}, "spec": SPEC}},
}
TRAINS = definition("Train", "trains", "example.com", "Namespaced")
TRAIN = {
    "apiVersion": "example.com/v1",
    "kind": "Train",
    "metadata": METADATA,
    "spec": {"roles": {"worker": {"template": {"spec": SPEC}}}},
}


@pytest.fixture
def uninstall(kubectl: Kubectl, webhook: object) -> Iterator[Callable[[], None]]:
    """Return a function that removes the registrations; they are restored for the next tests."""
    assert webhook
    kept = [kubectl.get(kind, NAME) for kind in REGISTRATIONS]

    def away() -> None:
        kubectl.run("delete", ",".join(REGISTRATIONS), NAME)
        until(lambda: decided(kubectl) is None, "the API server calls no webhook")

    yield away
    for item in kept:
        for field in ("resourceVersion", "uid", "creationTimestamp", "managedFields", "generation"):
            item["metadata"].pop(field, None)
    kubectl.apply(kept)
    wait_for_decision(kubectl, "inject/runtime-class")


def pods_of(kubectl: Kubectl, *, besides: str = "") -> list[dict[str, Any]]:
    """Return the pods of the Deployment, without the one of a name."""
    items: list[dict[str, Any]] = kubectl.get("pods", "-n", ENABLED, "-l", "app=ejected")["items"]
    return [one for one in items if one["metadata"]["name"] != besides]


def test_after_eject_the_webhook_is_not_missed(kubectl: Kubectl, uninstall: Callable[[], None], tmp_path: Path) -> None:
    """Sources with the component, by kustomize itself: preview has nothing to say, and new pods have the class."""
    kubectl.apply([DEPLOYMENT])
    (injected,) = until(partial(pods_of, kubectl), "the Deployment has its pod")
    assert decision_of(injected) == "inject/runtime-class"
    before = injected["metadata"]["name"]
    (tmp_path / "sources.yaml").write_text(as_list([DEPLOYMENT]))
    (tmp_path / "kustomization.yaml").write_text("resources: [sources.yaml]\ncomponents: [eject]\n")
    chosen = ("-n", ENABLED, "-l", "team=ejected")
    done = gpu_injector("eject", *chosen, "--output-dir", str(tmp_path / "eject"), kubeconfig=kubectl.kubeconfig)
    assert (done.code, "1 patched, 0 without a patch" in done.stderr) == (1, True), done.stderr

    built = tmp_path / "built.yaml"
    built.write_text(kubectl.run("kustomize", str(tmp_path)).stdout)
    for file, code in ((tmp_path / "sources.yaml", 1), (built, 0)):
        assert gpu_injector("preview", "-f", str(file), kubeconfig=kubectl.kubeconfig).code == code

    uninstall()
    kubectl.run("apply", "-k", str(tmp_path))
    (new,) = until(partial(pods_of, kubectl, besides=before), "a pod is made from the new template")
    assert (runtime_class_of(new), decision_of(new)) == ("nvidia", None)
    assert visible_devices_of(new) == {"main": None, "side": "void"}
    assert gpu_injector("eject", *chosen, kubeconfig=kubectl.kubeconfig).code == 0
    kubectl.run("delete", "deployment", "ejected", "-n", ENABLED)


@pytest.mark.usefixtures("webhook")
def test_a_kind_of_its_own_is_found_by_its_pod(kubectl: Kubectl) -> None:
    """The pod's controller is asked for by the API server's own discovery; its template is patched by the script."""
    kubectl.apply([TRAINS])
    kubectl.run("wait", "--for=condition=Established", "crd/trains.example.com")
    until(lambda: kubectl.succeeds("apply", "-f", "-", stdin=as_list([TRAIN])), "the new kind is served")
    train = kubectl.get("train", "ejected", "-n", ENABLED)
    owner = {"apiVersion": "example.com/v1", "kind": "Train", "name": "ejected", "controller": True}
    made = pod(ENABLED, name="ejected-worker", labels={"team": "ejected"})
    made["metadata"]["ownerReferences"] = [owner | {"uid": train["metadata"]["uid"]}]
    assert decision_of(kubectl.create(made).object) == "inject/runtime-class"

    chosen = ("-n", ENABLED, "-l", "team=ejected")
    done = gpu_injector("eject", *chosen, "-o", "kubectl", kubeconfig=kubectl.kubeconfig)
    path = f"{kubectl.program.parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "KUBECONFIG": str(kubectl.kubeconfig), "PATH": path}
    subprocess.run(["sh", "-eu"], input=done.stdout, env=environment, text=True, check=True, timeout=60)
    template = kubectl.get("train", "ejected", "-n", ENABLED)["spec"]["roles"]["worker"]["template"]
    assert (runtime_class_of(template), visible_devices_of(template)) == ("nvidia", {"main": None, "side": "void"})
    again = gpu_injector("eject", *chosen, kubeconfig=kubectl.kubeconfig)
    assert (again.code, yaml.safe_load(again.stdout)["patches"]) == (0, [])
    kubectl.run("delete", "crd", "trains.example.com")
