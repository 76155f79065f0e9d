"""Plugin pods that were made while the webhook was away: found, counted, reported, and evicted one at a time.

The DaemonSet controller and the Eviction API are real; the tests act as kubelets.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.control_plane import ControlPlane
from e2e.device_plugins import NAMESPACE, pods_by_node, start
from e2e.gpu_nodes import RUNC, Machine, gpu_nodes
from e2e.installation import MANIFEST, Webhook, running_webhook
from e2e.kubectl import Kubectl
from e2e.pods import decision_of
from e2e.processes import until

PLUGIN = "plugin-missed"
PRESENT = {"nvidia.com/gpu.present": "true"}
POOLS = {
    "blind": [Machine(RUNC, "missed", labels=PRESENT, gpus=""), Machine(RUNC, "missed", labels=PRESENT, gpus="")],
    "unlabelled": [Machine(RUNC, "missed", gpus="")],
}
EVICT = {"bootstrap": {"repair": "evict"}}
RIGHTS = MANIFEST.with_name("repair-evict.yaml")


@pytest.fixture
def blind(plane: ControlPlane, webhook_port: int, tmp_path: Path) -> Iterator[Webhook]:
    """Have plugin pods that were made without the webhook; then run it, with the policy and the rights to evict."""
    with gpu_nodes(plane.kubectl, POOLS):
        assert {decision_of(pod) for pod in pods_by_node(plane.kubectl).values()} == {None}
        plane.kubectl.apply(yaml.safe_load_all(RIGHTS.read_text()))
        (tmp_path / "policy.yaml").write_text(yaml.safe_dump(EVICT))
        with running_webhook(plane, webhook_port, "--policy", tmp_path / "policy.yaml") as webhook:
            yield webhook


def told(kubectl: Kubectl, reason: str) -> list[str]:
    """Return what Events of ours on the DaemonSet say, for one reason."""
    events = kubectl.get("events.events.k8s.io", "--namespace", NAMESPACE)["items"]
    return [
        event["note"]
        for event in events
        if event["reason"] == reason and event["regarding"] == {**event["regarding"], "name": PLUGIN}
    ]


def let_go(kubectl: Kubectl, node: str) -> dict[str, Any]:
    """Wait until the pod of a node is evicted; end it, as its kubelet would; return the next, which runs."""

    def evicted() -> str:
        metadata = pods_by_node(kubectl)[node]["metadata"]
        return str(metadata["name"]) if "deletionTimestamp" in metadata else ""

    name = until(evicted, f"{node}: evicted")
    kubectl.run("delete", "pod", name, "--namespace", NAMESPACE, "--force", "--grace-period=0")

    def made() -> dict[str, Any] | None:
        pod = pods_by_node(kubectl).get(node)
        return pod if pod and pod["metadata"]["name"] != name else None

    pod = until(made, f"{node}: re-created")
    assert pod is not None
    start(kubectl, {node: pod})
    return pod


def test_blind_plugin_pods_are_told_and_made_anew(blind: Webhook, kubectl: Kubectl) -> None:
    """Through the webhook, so that each finds its driver; the one without evidence stays, with the line that helps."""
    count = "gpu_injector_blind_plugin_pods"
    blind.process.wait_until(lambda: blind.metric(count) == 2, "counts two blind pods")
    until(lambda: told(kubectl, "BlindPluginPod"), "an Event")
    described = until(lambda: describe(kubectl, "NoGpuEvidence"), "an Event that kubectl describe shows")
    assert "kubectl label node unlabelled-1 nvidia.com/gpu.present=true. " in described
    first = let_go(kubectl, "blind-1")
    assert decision_of(first) == "bootstrap/nvml"
    assert first["spec"]["containers"][0]["securityContext"] == {"privileged": True}
    second = let_go(kubectl, "blind-2")
    assert decision_of(second) == "bootstrap/nvml"
    blind.process.wait_until(lambda: blind.metric(count) == 0, "counts none")
    assert blind.metric("gpu_injector_evictions_total", answer="evicted") == 2
    assert sorted(told(kubectl, "Evicted")) == [
        f"evicted the plugin pod of node blind-{number}: it found no GPU. The next one gets bootstrap/nvml."
        for number in (1, 2)
    ]
    assert len(told(kubectl, "BlindPluginPod")) == 1
    state = kubectl.get("configmap", "gpu-injector-state", "--namespace", "gpu-injector")
    evictions = json.loads(state["data"]["state.json"])["evictions"]
    assert {found["node"] for found in evictions} == {"blind-1", "blind-2"}
    assert decision_of(pods_by_node(kubectl)["unlabelled-1"]) is None


def describe(kubectl: Kubectl, reason: str) -> str:
    """Return what kubectl describes of the DaemonSet, empty without an Event of that reason."""
    described = kubectl.run("describe", "daemonset", PLUGIN, "--namespace", NAMESPACE).stdout
    return described if reason in described else ""
