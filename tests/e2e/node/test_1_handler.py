"""A node with NVIDIA's runtime and without a GPU, before a plugin has offered one there."""

from pathlib import Path

from e2e.installation import running_webhook
from e2e.node.cluster import Cluster
from e2e.node.kubernetes import NODE
from e2e.node.plugin import Given, installed, static_release
from e2e.node.setups import ON_1_37
from e2e.pods import would_be_decided
from e2e.processes import until

# From 0.18 on NVIDIA's manifest lets a plugin end that finds no NVML, on every node without a GPU.
ENDS = "error starting plugins"


@ON_1_37
def test_a_handler_without_a_gpu_changes_nothing(on_node: Cluster, webhook_port: int, policy: Path) -> None:
    """One node image serves all nodes: the class exists, the node has the handler, and nothing shows a GPU."""
    on_node.hide_gpus()
    with on_node.driver.absent(), running_webhook(on_node.plane, webhook_port, "--policy", policy):
        until(lambda: would_be_decided(on_node.kubectl), "the API server calls the webhook for GPU pods")
        with installed(on_node.kubectl, static_release("0.18")) as plugin:
            pod = plugin.pod(NODE)
            assert plugin.given_to(pod) == Given("leave/no-gpu-evidence")
            plugin.wait_for_log(pod, ENDS)
