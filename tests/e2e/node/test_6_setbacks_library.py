"""The driver's library disappears from a real node, and returns: the plugin's pod must not wait for it."""

from contextlib import ExitStack

from e2e.installation import Webhook
from e2e.node.cluster import Cluster
from e2e.node.kubernetes import NODE
from e2e.node.plugin import installed, release_of
from e2e.node.released import BY_NVML, LEFT, assert_serves, released, restarted, wait_for_the_end

# On the second set-up the class would come first.
POLICY = {"bootstrap": {"recipe": "nvml"}}
MISSING = "hostPath type check failed"
IDLE = {"1.33": "No devices found. Waiting indefinitely.", "1.37": "error starting plugins"}


def test_a_library_that_is_gone_keeps_no_pod_waiting(on_node: Cluster, hasty: Webhook) -> None:
    """The next pod is idle as its author wrote it. The library comes back, and the GPUs when the time is over."""
    with ExitStack() as pods:
        with on_node.driver.absent():
            release = release_of(on_node.setup.plugins[0], on_node.helm)
            plugin = pods.enter_context(installed(on_node.kubectl, release))
            assert plugin.given_to(plugin.pod(NODE)) == BY_NVML
            idle = released(on_node, hasty, plugin, "nvml", MISSING)
            assert plugin.given_to(idle) == LEFT
            plugin.wait_for_log(idle, IDLE[on_node.setup.minor])
        wait_for_the_end(on_node, hasty)
        assert_serves(on_node, plugin, restarted(plugin), BY_NVML)
        assert hasty.metric("gpu_injector_releases_total") == 1
