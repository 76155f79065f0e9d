"""The driver is upgraded: the old files go, the links lead to the new ones. Nothing of ours names a version."""

from collections.abc import Iterator

import pytest

from e2e.kubectl import Kubectl
from e2e.namespaces import ENABLED
from e2e.node.cluster import Cluster
from e2e.node.driver import NEWER_VERSION, VERSION
from e2e.node.kubernetes import NODE
from e2e.node.plugin import Plugin
from e2e.node.workload import probe, probing_pod, run_to_the_end

pytestmark = pytest.mark.usefixtures("webhook")


@pytest.fixture
def upgraded(on_node: Cluster) -> Iterator[None]:
    """Upgrade the node's driver, and go back when the test is done."""
    on_node.driver.install(NEWER_VERSION)
    on_node.driver.describe(NEWER_VERSION)
    yield
    on_node.driver.install(VERSION)
    on_node.driver.describe(VERSION)


def driver_of_a_new_pod(kubectl: Kubectl) -> str:
    """Return the driver's version in a new workload."""
    _, answers = run_to_the_end(kubectl, probing_pod(ENABLED, probe(gpus=1)))
    version: str = answers["main"]["nvml"]["driverVersion"]
    return version


def test_new_pods_use_the_new_driver(on_node: Cluster, plugin: Plugin, request: pytest.FixtureRequest) -> None:
    """Workloads and the plugin itself: both find it without a change of ours, in the pods or in the policy."""
    assert driver_of_a_new_pod(on_node.kubectl) == VERSION
    request.getfixturevalue("upgraded")
    assert driver_of_a_new_pod(on_node.kubectl) == NEWER_VERSION
    blind = plugin.pod(NODE)["metadata"]["uid"]
    plugin.restart()
    plugin.wait_for_log(plugin.pod(NODE, instead_of=blind), "Registered device plugin")
