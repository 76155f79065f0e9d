"""Workloads whose patch failed on the real node, or was refused: the next pod of their namespace runs without it."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from e2e.control_plane import ControlPlane, wait_for_namespace
from e2e.kubectl import Kubectl, as_list
from e2e.namespaces import INJECT
from e2e.node.setups import ON_1_33
from e2e.node.workload import probe, probing_pod, run_to_the_end, staying_probe
from e2e.pods import GPU, decision_of, dry_run, runtime_class_of
from e2e.processes import until
from e2e.refusals import deployment, events_of, no_host_path, pods_of

pytestmark = pytest.mark.usefixtures("plugin", "webhook")

# A refusal must show that the mount is not admitted: the policy does not know it for certain.
POLICY = {"hostPathGranted": True}
SETBACK = "leave/setback"
# What the webhook has looked up counts for 30 s, and controllers wait longer after each refusal.
PATIENCE_SECONDS = 180
ABSENT_HANDLER = {
    "apiVersion": "node.k8s.io/v1",
    "kind": "RuntimeClass",
    "metadata": {"name": "nvidia"},
    "handler": "nvidia-absent",
}


@pytest.fixture
def places(plane: ControlPlane, kubectl: Kubectl) -> Iterator[tuple[str, str]]:
    """Have two new namespaces that opted in."""
    own, other = (f"team-{secrets.token_hex(4)}" for _ in range(2))
    kubectl.apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {INJECT: "enabled"}}}
        for name in (own, other)
    )
    for name in (own, other):
        wait_for_namespace(plane, name)
    yield own, other
    kubectl.run("delete", "namespace", own, other, "--wait=false")


@contextmanager
def existing(kubectl: Kubectl, items: list[dict[str, Any]]) -> Iterator[None]:
    """Have some objects until the context ends."""
    kubectl.apply(items)
    try:
        yield
    finally:
        kubectl.run("delete", "-f", "-", stdin=as_list(items))


@ON_1_33
def test_after_a_missing_handler_the_next_pod_runs(kubectl: Kubectl, places: tuple[str, str]) -> None:
    """This containerd reports no handlers, so the class is set once; pods of another namespace still get it."""
    own, other = places
    with existing(kubectl, [ABSENT_HANDLER]):
        until(lambda: would_get(kubectl, other) == "inject/runtime-class", "the webhook knows the class")
        blocked = kubectl.create(probing_pod(own, probe(gpus=1))).object
        assert runtime_class_of(blocked) == "nvidia"
        (first, *_) = until(
            lambda: events_of(kubectl, own, "FailedCreatePodSandBox"), "the kubelet reports the failure"
        )
        assert 'no runtime for "nvidia-absent" is configured' in first["message"]
        until(lambda: would_get(kubectl, own) == SETBACK, "the Event counts", seconds=PATIENCE_SECONDS)
        created, _ = run_to_the_end(kubectl, probing_pod(own, probe(gpus=1)))
        assert (decision_of(created), runtime_class_of(created)) == (SETBACK, None)
        assert would_get(kubectl, other) == "inject/runtime-class"
        waiting = kubectl.get("pod", blocked["metadata"]["name"], "--namespace", own)
        assert (waiting["status"]["phase"], runtime_class_of(waiting)) == ("Pending", "nvidia")
        kubectl.run("delete", "pod", blocked["metadata"]["name"], "--namespace", own, "--force", "--grace-period=0")


@ON_1_33
def test_a_deployment_whose_mount_is_refused_runs_unpatched(kubectl: Kubectl, places: tuple[str, str]) -> None:
    """A ValidatingAdmissionPolicy rejects the mount in one namespace; in the other one pods get it."""
    own, other = places
    with existing(kubectl, no_host_path(own)):
        until(lambda: would_get(kubectl, own) is None, "the policy refuses the patched pod")
        container = {**staying_probe("main"), "resources": {"limits": {GPU: 1}}}
        template = {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [container]}}
        kubectl.create(deployment(own, template))
        (first, *_) = until(lambda: events_of(kubectl, own, "FailedCreate"), "the controller is refused")
        assert "not in this namespace" in first["message"]
        done = ("rollout", "status", "deployment/model", "--namespace", own, "--timeout=5s")
        until(lambda: kubectl.succeeds(*done), "its pod runs", seconds=PATIENCE_SECONDS)
        (running,) = pods_of(kubectl, own)
        assert decision_of(running) == SETBACK
        assert not [volume for volume in running["spec"]["volumes"] if "hostPath" in volume]
        assert would_get(kubectl, other) == "mount/runtime-class-missing"
        kubectl.run("delete", "deployment", "model", "--namespace", own, "--cascade=foreground")


def would_get(kubectl: Kubectl, namespace: str) -> str | None:
    """Return the decision that a pod would get, None where it would be refused."""
    return dry_run(kubectl, probing_pod(namespace, probe(gpus=1)))
