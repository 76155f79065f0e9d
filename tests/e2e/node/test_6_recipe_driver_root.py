"""The recipe ``driver-root``, as the product writes it, on the real node."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from e2e.namespaces import UNLABELLED
from e2e.node.cluster import Cluster
from e2e.node.kubernetes import NODE
from e2e.node.os_release import UBUNTU, named
from e2e.node.plugin import Given, installed, static_release
from e2e.node.setups import ON_1_33, ON_1_37
from e2e.node.volumes import holders, mounted
from e2e.node.workload import CONFINED, gpus_opened, probe, probing_pod, run_to_the_end
from e2e.processes import until

pytestmark = pytest.mark.usefixtures("webhook")

# On the second set-up the class would come first.
POLICY = {"bootstrap": {"recipe": "driver-root"}}
BY_ROOT = Given("bootstrap/driver-root", privileged=True, host_paths=frozenset({"/dev", "/usr"}))
REGISTERED = "Registered device plugin for 'nvidia.com/gpu' with Kubelet"
# What NVIDIA's manifest does on a node without a driver, with and without us: from 0.18 on it lets the plugin end.
BLIND = {"1.33": ("No devices found. Waiting indefinitely.", "running"), "1.37": ("error starting plugins", "waiting")}


@pytest.fixture(scope="module")
def evidence(on_node: Cluster) -> Iterator[None]:
    """Let the node have GPUs, and the layout of a system where a driver root works."""
    on_node.show_gpus()
    with named(on_node, UBUNTU):
        yield


@pytest.fixture(autouse=True)
def _no_gpus(on_node: Cluster) -> None:
    """Wait until the node offers no GPU: the plugin before this one is gone."""
    until(lambda: on_node.gpus() != "2", "the node knows that the plugin before this one is gone")


def assert_serves(on_node: Cluster, version: str) -> None:
    """Assert that NVIDIA's manifest gets the recipe, that the node offers its GPUs, and that pods may open theirs."""
    with installed(on_node.kubectl, static_release(version)) as plugin:
        pod = plugin.pod(NODE)
        assert plugin.given_to(pod) == BY_ROOT
        plugin.wait_for_log(pod, REGISTERED)
        until(lambda: on_node.gpus() == "2", "the node offers two GPUs")
        author = probing_pod(UNLABELLED, probe(gpus=1, securityContext=CONFINED))
        _, answers = run_to_the_end(on_node.kubectl, author)
        assert len(gpus_opened(answers["main"])) == 1


@ON_1_33
def test_it_serves_a_plugin_that_has_to_be_told(on_node: Cluster) -> None:
    """0.17 looks for NVML below the root only with a discovery strategy, which the recipe adds."""
    assert_serves(on_node, "0.17")


@ON_1_37
@pytest.mark.parametrize("version", ["0.18", "0.19"])
def test_it_serves_a_current_plugin(on_node: Cluster, version: str) -> None:
    """These versions look there by themselves."""
    assert_serves(on_node, version)


@ON_1_33
def test_an_older_plugin_does_not_get_it(on_node: Cluster) -> None:
    """0.14 does not know a driver root, so privileges would have no effect."""
    with installed(on_node.kubectl, static_release("0.14")) as plugin:
        assert plugin.given_to(plugin.pod(NODE)) == Given("leave/driver-unknown")


def test_without_a_driver_the_pod_starts(on_node: Cluster) -> None:
    """/usr is there on every node: the plugin starts and is blind, as it would be without us."""
    said, state = BLIND[on_node.setup.minor]
    with on_node.driver.absent(), installed(on_node.kubectl, static_release(on_node.setup.plugins[1])) as plugin:
        pod = plugin.pod(NODE)
        assert plugin.given_to(pod) == BY_ROOT
        plugin.wait_for_log(pod, said)
        plugin.wait_for_state(pod, state)


def test_a_disk_of_the_node_can_be_detached(on_node: Cluster, tmp_path: Path) -> None:
    """The plugin keeps no mount that was there when it started."""
    with ExitStack() as mount:
        mount.enter_context(mounted(on_node.runtime.sandbox, tmp_path))
        with installed(on_node.kubectl, static_release(on_node.setup.plugins[1])) as plugin:
            pod = plugin.pod(NODE)
            assert plugin.given_to(pod) == BY_ROOT
            plugin.wait_for_state(pod, "running")
            assert holders(tmp_path)
            mount.close()
            assert not holders(tmp_path)
