"""The cure: the same plugins on the same nodes, now with the webhook."""

import re
from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest

from e2e.node.cluster import Cluster
from e2e.node.compile import triplet
from e2e.node.kubernetes import NODE
from e2e.node.plugin import Given, Plugin, installed, release_of
from e2e.node.setups import ON_1_33, ON_1_37
from e2e.processes import until

pytestmark = pytest.mark.usefixtures("webhook")

LEFT_ALONE = Given("leave/no-gpu-evidence")
BY_NVML = Given(
    "bootstrap/nvml", privileged=True, host_paths=frozenset({"/dev", f"/usr/lib/{triplet()}/libnvidia-ml.so.1"})
)
WAITS = "No devices found. Waiting indefinitely."
BY_CLASS = Given("bootstrap/runtime-class", runtime_class="nvidia")

# What a user types.
DAEMON_SET = "daemonset/nvidia-device-plugin-daemonset"
PODS = "kubectl -n kube-system get pods -l name=nvidia-device-plugin-ds"
LOGS = "kubectl -n kube-system logs -l name=nvidia-device-plugin-ds --tail=-1"
GPUS_OF_NODES = r"kubectl get nodes -o 'custom-columns=NODE:.metadata.name,GPUS:.status.allocatable.nvidia\.com/gpu'"
DOCTOR = "gpu-injector doctor -o short"
EVENTS = f"kubectl -n kube-system events --for {DAEMON_SET}"
RESTART = f"kubectl -n kube-system rollout restart {DAEMON_SET}"
DECISIONS = f"{PODS} -o 'custom-columns=POD:.metadata.name,DECISION:.metadata.annotations.gpu-injector\\.io/decision'"


@pytest.fixture(scope="module")
def evidence(on_node: Cluster) -> None:
    """Let nothing show that the node has GPUs."""
    on_node.hide_gpus()
    assert on_node.gpus("capacity") is None


def lines_of(event: Mapping[str, Any]) -> list[str]:
    """Return the kubectl lines that an Event tells people to run."""
    found: list[str] = re.findall(r"kubectl(?: [\w./=-]*[\w/])+", event["message"])
    return found


def assert_offers_two_gpus(on_node: Cluster, plugin: Plugin, pod: Mapping[str, Any]) -> None:
    """Assert that the plugin has found NVML, and that the node offers what it found."""
    plugin.wait_for_log(pod, "Registered device plugin")
    until(lambda: on_node.gpus() == "2", "the node offers two GPUs")


def observed_status(plugin: Plugin) -> dict[str, Any]:
    """Return the status of the plugin's DaemonSet, empty before its controller has seen it."""
    status: dict[str, Any] = plugin.daemon_set["status"]
    return status if "observedGeneration" in status else {}


@ON_1_33
def test_without_evidence_the_plugin_is_left_alone(on_node: Cluster) -> None:
    """The node may have no GPU: nothing is changed, and the plugin waits as it does without us."""
    with installed(on_node.kubectl, release_of("0.17", on_node.helm)) as plugin:
        pod = plugin.pod(NODE)
        assert plugin.given_to(pod) == LEFT_ALONE
        plugin.wait_for_log(pod, WAITS)


@ON_1_33
def test_the_lines_of_the_event_cure(on_node: Cluster) -> None:
    """What the Event on the DaemonSet says is run as it stands; the next pod finds NVML, and the node offers GPUs."""
    story = on_node.story("incident")
    with installed(on_node.kubectl, release_of("0.14", on_node.helm)) as plugin:
        blind = plugin.pod(NODE)
        assert plugin.given_to(blind) == LEFT_ALONE
        plugin.wait_for_log(blind, WAITS)
        for line in (LOGS, GPUS_OF_NODES, DOCTOR):
            story.type(line)
        lines = lines_of(plugin.event("kubectl label node"))
        assert lines == [f"kubectl label node {NODE} nvidia.com/gpu.present=true", RESTART]
        for line in (EVENTS, *lines):
            story.type(line)
        cured = plugin.pod(NODE, instead_of=blind["metadata"]["uid"])
        assert plugin.given_to(cured) == BY_NVML
        assert_offers_two_gpus(on_node, plugin, cured)
        for line in (DECISIONS, LOGS, GPUS_OF_NODES):
            story.type(line)
    for page in ("README.md", "docs/incident.md"):
        story.assert_told(page)


@ON_1_33
def test_a_node_that_once_offered_gpus_needs_no_line(on_node: Cluster) -> None:
    """As in the incident: the node says zero, which is evidence, and the pod is cured when it is created."""
    on_node.hide_gpus()
    until(lambda: on_node.gpus() == "0", "the node offers no GPU any more")
    with installed(on_node.kubectl, release_of("0.17", on_node.helm)) as plugin:
        pod = plugin.pod(NODE)
        assert plugin.given_to(pod) == BY_NVML
        assert_offers_two_gpus(on_node, plugin, pod)


@ON_1_37
@pytest.mark.parametrize("version", ["0.18", "0.19"])
def test_the_runtime_class_alone_cures(on_node: Cluster, version: str) -> None:
    """NVIDIA's chart waits for the label; the pod that it makes then gets the class, and no privilege."""
    on_node.hide_gpus()
    until(lambda: on_node.gpus() != "2", "the node offers no GPU")
    with installed(on_node.kubectl, release_of(version, on_node.helm)) as plugin:
        status = until(partial(observed_status, plugin), "the controller knows the DaemonSet")
        assert status["desiredNumberScheduled"] == 0
        on_node.show_gpus()
        pod = plugin.pod(NODE)
        assert plugin.given_to(pod) == BY_CLASS
        assert_offers_two_gpus(on_node, plugin, pod)
