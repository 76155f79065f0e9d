"""The incident: NVIDIA's own plugin on a node with a working driver, and no webhook."""

import pytest

from e2e.node.cluster import Cluster
from e2e.node.kubernetes import NODE
from e2e.node.plugin import installed, release_of
from e2e.node.setups import ON_1_33, ON_1_37


@ON_1_33
@pytest.mark.parametrize(
    ("version", "said"),
    [
        ("0.14", "could not load NVML library: libnvidia-ml.so.1"),
        ("0.17", "Incompatible strategy detected auto"),
    ],
)
def test_the_plugin_of_the_manifest_waits(on_node: Cluster, version: str, said: str) -> None:
    """It finds no NVML under plain runc, says so and waits; its pod looks healthy, and the node offers no GPU."""
    assert_blind(on_node, version, (said, "No devices found. Waiting indefinitely."), "running")


@ON_1_37
@pytest.mark.usefixtures("evidence")
@pytest.mark.parametrize(
    ("version", "said"),
    [
        ("0.18", "Incompatible strategy detected auto"),
        ("0.19", "Failed to initialize NVML: ERROR_LIBRARY_NOT_FOUND"),
    ],
)
def test_the_plugin_of_the_chart_crashes(on_node: Cluster, version: str, said: str) -> None:
    """It finds no NVML under plain runc, says so and ends, again and again; the node offers no GPU."""
    assert_blind(on_node, version, (said, "error starting plugins"), "waiting")


def assert_blind(on_node: Cluster, version: str, said: tuple[str, str], state: str) -> None:
    """Assert that a plugin says why and then what it does about that, is in this state, and offers nothing."""
    with installed(on_node.kubectl, release_of(version, on_node.helm)) as plugin:
        pod = plugin.pod(NODE)
        log = plugin.wait_for_log(pod, *said)
        assert [log.index(text) for text in said] == sorted(map(log.index, said))
        plugin.wait_for_state(pod, state)
        assert on_node.gpus("capacity") is None
