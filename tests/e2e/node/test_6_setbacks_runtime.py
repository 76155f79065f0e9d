"""The incident: a plugin worked by the node's default runtime, the default is lost, and the next pod is blind."""

from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from e2e.installation import MANIFEST, running_webhook
from e2e.node.cluster import Cluster
from e2e.node.kubernetes import NODE
from e2e.node.plugin import Given, installed, release_of
from e2e.node.released import BY_CLASS, BY_NVML, assert_serves, restarted
from e2e.node.sandbox import stopped
from e2e.node.stored import observed, state_restored
from e2e.pods import would_be_decided
from e2e.processes import until

POLICY = {"bootstrap": {"repair": "evict"}}
RIGHTS = MANIFEST.with_name("repair-evict.yaml")
CURES = {"1.33": BY_NVML, "1.37": BY_CLASS}


@pytest.mark.usefixtures("evidence")
def test_a_plugin_that_loses_its_default_runtime_is_cured(on_node: Cluster, webhook_port: int, policy: Path) -> None:
    """It was healthy without a patch, and gets none at first. Its node restarts and offers no GPU; that counts then."""
    kubectl = on_node.kubectl
    kubectl.apply(yaml.safe_load_all(RIGHTS.read_text()))
    until(lambda: on_node.gpus() != "2", "the node knows that the plugin before this one is gone")
    with state_restored(kubectl), ExitStack() as pods:
        with on_node.runtime.nvidia_by_default():
            plugin = pods.enter_context(installed(kubectl, release_of(on_node.setup.plugins[0], on_node.helm)))
            assert_serves(on_node, plugin, plugin.pod(NODE), Given())
            with running_webhook(on_node.plane, webhook_port, "--policy", policy) as first:
                first.process.wait_until(lambda: "healthy" in observed(kubectl), "stores that it is", seconds=120)
        with running_webhook(on_node.plane, webhook_port, "--policy", policy) as second:
            until(lambda: would_be_decided(kubectl), "the API server calls the webhook for GPU pods")
            blind = restarted(plugin)
            assert plugin.given_to(blind) == Given("leave/nvml-provided")
            with stopped(on_node.kubelet):
                pass
            evicted = "gpu_injector_evictions_total"
            second.process.wait_until(lambda: second.metric(evicted, answer="evicted") == 1, "evicts it", seconds=180)
            cured = plugin.pod(NODE, instead_of=blind["metadata"]["uid"])
            assert_serves(on_node, plugin, cured, CURES[on_node.setup.minor])
