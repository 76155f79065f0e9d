"""What NVIDIA's own driver root does, in a DaemonSet that a user wrote, without the webhook."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from e2e.namespaces import UNLABELLED
from e2e.node.cluster import Cluster
from e2e.node.driver_root import driver_root_release
from e2e.node.kubernetes import NODE
from e2e.node.plugin import installed
from e2e.node.setups import ON_1_33, ON_1_37
from e2e.node.volumes import holders, mounted
from e2e.node.workload import CONFINED, gpus_opened, probe, probing_pod, run_to_the_end
from e2e.processes import until

pytestmark = pytest.mark.usefixtures("webhook_port")

REGISTERED = "Registered device plugin for 'nvidia.com/gpu' with Kubelet"
# What a plugin without GPUs logs, and the state of its container.
WAITS = ("No devices found. Waiting indefinitely.", "running")
CRASHES = ("error starting plugins", "waiting")


@pytest.fixture
def no_gpus(on_node: Cluster) -> None:
    """Wait until the node offers no GPU: the plugin before this one is gone."""
    until(lambda: on_node.gpus() != "2", "the node knows that the plugin before this one is gone")


def assert_serves(on_node: Cluster, version: str) -> None:
    """Assert that a plugin with the driver below its root offers the node's GPUs, and that pods may open theirs."""
    with installed(on_node.kubectl, driver_root_release(version)) as plugin:
        plugin.wait_for_log(plugin.pod(NODE), REGISTERED)
        until(lambda: on_node.gpus() == "2", "the node offers two GPUs")
        author = probing_pod(UNLABELLED, probe(gpus=1, securityContext=CONFINED))
        _, answers = run_to_the_end(on_node.kubectl, author)
        assert len(gpus_opened(answers["main"])) == 1


def assert_finds_no_gpu(on_node: Cluster, version: str, said: str, state: str) -> None:
    """Assert that a plugin finds no GPU, says so, and is then in a state; the node offers none."""
    with installed(on_node.kubectl, driver_root_release(version)) as plugin:
        pod = plugin.pod(NODE)
        plugin.wait_for_log(pod, said)
        plugin.wait_for_state(pod, state)
        assert on_node.gpus() != "2"


@ON_1_33
@pytest.mark.usefixtures("no_gpus")
@pytest.mark.parametrize("version", ["0.17"])
def test_it_serves_the_plugin_under_containerd_1(on_node: Cluster, version: str) -> None:
    """0.17 has to be told to look for NVML."""
    assert_serves(on_node, version)


@ON_1_37
@pytest.mark.usefixtures("no_gpus")
@pytest.mark.parametrize("version", ["0.18", "0.19"])
def test_it_serves_the_plugin_under_containerd_2(on_node: Cluster, version: str) -> None:
    """These versions look there by themselves."""
    assert_serves(on_node, version)


@ON_1_33
@pytest.mark.usefixtures("no_gpus")
def test_an_older_plugin_does_not_know_it(on_node: Cluster) -> None:
    """0.14 loads NVML from the loader's own folders alone, and waits as it does without."""
    assert_finds_no_gpu(on_node, "0.14", *WAITS)


@ON_1_33
@pytest.mark.usefixtures("no_gpus")
def test_without_a_driver_the_plugin_waits(on_node: Cluster) -> None:
    """The folder is there on every node: the pod starts, and waits as it would without it."""
    with on_node.driver.absent():
        assert_finds_no_gpu(on_node, "0.17", *WAITS)


@ON_1_37
@pytest.mark.usefixtures("no_gpus")
def test_without_a_driver_a_newer_plugin_crashes(on_node: Cluster) -> None:
    """As it would without the folder: NVIDIA's manifest of 0.18 does not set FAIL_ON_INIT_ERROR to false any more."""
    with on_node.driver.absent():
        assert_finds_no_gpu(on_node, "0.18", *CRASHES)


@pytest.mark.usefixtures("no_gpus")
@pytest.mark.parametrize(("host", "keeps"), [("/usr", False), ("/", True)])
def test_a_disk_is_free_when_it_is_unmounted(on_node: Cluster, tmp_path: Path, host: str, *, keeps: bool) -> None:
    """With all of the host below the root, the plugin keeps each mount that was there when it started."""
    with ExitStack() as mount:
        mount.enter_context(mounted(on_node.runtime.sandbox, tmp_path))
        with installed(on_node.kubectl, driver_root_release(on_node.setup.plugins[1], host)) as plugin:
            plugin.wait_for_state(plugin.pod(NODE), "running")
            mount.close()
            assert bool(holders(tmp_path)) == keeps
        until(lambda: not holders(tmp_path), "the plugin's end frees the disk")
