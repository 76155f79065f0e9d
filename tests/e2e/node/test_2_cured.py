"""The cure: the same plugins on the same nodes, now with the webhook."""

import re

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
BY_CLASS = Given("bootstrap/runtime-class", runtime_class="nvidia")


@pytest.fixture(scope="module")
def evidence(on_node: Cluster) -> None:
    """Let nothing show that the node has GPUs."""
    on_node.hide_gpus()
    assert on_node.gpus("capacity") is None


def label_line(plugin: Plugin) -> list[str]:
    """Return the arguments of the kubectl line that an Event on the plugin's DaemonSet names."""
    message = plugin.event("kubectl label node")["message"]
    found = re.search(r"kubectl (label node \S+ \S+=\S+)", message)
    assert found is not None, message
    return found[1].split()


def assert_offers_two_gpus(on_node: Cluster, plugin: Plugin, pod: dict[str, object]) -> None:
    """Assert that the plugin has found NVML, and that the node offers what it found."""
    plugin.wait_for_log(pod, "Registered device plugin")
    until(lambda: on_node.gpus() == "2", "the node offers two GPUs", seconds=20)


@ON_1_33
def test_without_evidence_the_plugin_is_left_alone(on_node: Cluster) -> None:
    """A node may well have no GPU: nothing is changed, and its administrator is told what to do if it has one."""
    with installed(on_node.kubectl, release_of("0.17", on_node.helm)) as plugin:
        pod = plugin.pod(NODE)
        assert plugin.given_to(pod) == LEFT_ALONE
        assert label_line(plugin) == ["label", "node", NODE, "nvidia.com/gpu.present=true"]
        plugin.wait_for_log(pod, "No devices found. Waiting indefinitely.")


@ON_1_33
def test_the_line_of_the_event_and_a_restart_cure(on_node: Cluster) -> None:
    """What the Event on the DaemonSet says is run as it stands; the next pod finds NVML, and the node offers GPUs."""
    with installed(on_node.kubectl, release_of("0.14", on_node.helm)) as plugin:
        blind = plugin.pod(NODE)
        assert plugin.given_to(blind) == LEFT_ALONE
        plugin.wait_for_log(blind, "No devices found. Waiting indefinitely.")
        on_node.kubectl.run(*label_line(plugin))
        plugin.restart()
        cured = plugin.pod(NODE, instead_of=blind["metadata"]["uid"])
        assert plugin.given_to(cured) == BY_NVML
        assert_offers_two_gpus(on_node, plugin, cured)


@ON_1_33
def test_a_node_that_once_offered_gpus_needs_no_line(on_node: Cluster) -> None:
    """As in the incident: the node says zero, which is evidence, and the pod is cured when it is created."""
    on_node.hide_gpus()
    until(lambda: on_node.gpus("capacity") == "0", "the node has no GPU any more", seconds=20)
    with installed(on_node.kubectl, release_of("0.17", on_node.helm)) as plugin:
        pod = plugin.pod(NODE)
        assert plugin.given_to(pod) == BY_NVML
        assert_offers_two_gpus(on_node, plugin, pod)


@ON_1_37
@pytest.mark.parametrize("version", ["0.18", "0.19"])
def test_the_runtime_class_alone_cures(on_node: Cluster, version: str) -> None:
    """NVIDIA's chart waits for the label; the pod that it makes then gets the class, and no privilege."""
    on_node.hide_gpus()
    until(lambda: on_node.gpus() != "2", "the node offers no GPU", seconds=20)
    with installed(on_node.kubectl, release_of(version, on_node.helm)) as plugin:
        until(lambda: plugin.daemon_set["status"].get("observedGeneration"), "the controller knows the DaemonSet")
        assert plugin.daemon_set["status"]["desiredNumberScheduled"] == 0
        on_node.show_gpus()
        pod = plugin.pod(NODE)
        assert plugin.given_to(pod) == BY_CLASS
        assert_offers_two_gpus(on_node, plugin, pod)
