"""Pods of the plugin whose patch fails: how they are given up, and what the next ones get."""

from typing import Any

from e2e.installation import Webhook
from e2e.node.cluster import Cluster
from e2e.node.compile import triplet
from e2e.node.kubernetes import NODE
from e2e.node.plugin import Given, Plugin
from e2e.node.stored import are_over, setbacks
from e2e.processes import until

BY_CLASS = Given("bootstrap/runtime-class", runtime_class="nvidia")
BY_NVML = Given(
    "bootstrap/nvml", privileged=True, host_paths=frozenset({"/dev", f"/usr/lib/{triplet()}/libnvidia-ml.so.1"})
)
LEFT = Given("leave/setback")
REGISTERED = "Registered device plugin"


def released(on_node: Cluster, webhook: Webhook, plugin: Plugin, recipe: str, said: str) -> dict[str, Any]:
    """Wait until the failure of a recipe is stored and the pod deleted; return the next pod."""
    hanging = plugin.pod(NODE)["metadata"]["uid"]
    webhook.process.wait_until(lambda: recipe in setbacks(on_node.kubectl), "stores the setback", seconds=120)
    assert said in setbacks(on_node.kubectl)[recipe]
    return plugin.pod(NODE, instead_of=hanging)


def restarted(plugin: Plugin) -> dict[str, Any]:
    """Have the plugin's pod created again, as an administrator does; return it."""
    before = plugin.pod(NODE)["metadata"]["uid"]
    plugin.restart()
    return plugin.pod(NODE, instead_of=before)


def wait_for_the_end(on_node: Cluster, webhook: Webhook) -> None:
    """Wait until the time of the setbacks is over, and the webhook has noticed that."""
    webhook.process.wait_until(lambda: are_over(on_node.kubectl), "the time is over", seconds=120)
    webhook.process.wait_until(lambda: webhook.metric("gpu_injector_setbacks") == 0, "counts none")


def assert_serves(on_node: Cluster, plugin: Plugin, pod: dict[str, Any], given: Given) -> None:
    """Assert what a pod was given, and that it finds its GPUs."""
    assert plugin.given_to(pod) == given
    plugin.wait_for_log(pod, REGISTERED)
    until(lambda: on_node.gpus() == "2", "the node offers two GPUs")
