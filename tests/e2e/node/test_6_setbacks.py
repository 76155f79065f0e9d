"""The runtime of a real node loses the class's handler: the pod that waits for it is released."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from e2e.installation import Webhook
from e2e.node.cluster import RUNTIME_CLASS, Cluster
from e2e.node.images import PROBE
from e2e.node.kubernetes import NODE
from e2e.node.plugin import NAMESPACE, Plugin, installed, release_of
from e2e.node.released import BY_CLASS, BY_NVML, LEFT, assert_serves, released, restarted, wait_for_the_end
from e2e.node.sandbox import stopped
from e2e.node.setups import ON_1_33, ON_1_37
from e2e.node.stored import setbacks

NO_HANDLER = 'no runtime for "nvidia" is configured'

# A management pod that runs under the class proves the handler of a node that does not report any.
EXPORTER = {"app.kubernetes.io/name": "dcgm-exporter"}
UNDER_THE_CLASS: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "DaemonSet",
    "metadata": {"name": "dcgm-exporter", "namespace": NAMESPACE},
    "spec": {
        "selector": {"matchLabels": EXPORTER},
        "template": {
            "metadata": {"labels": EXPORTER},
            "spec": {
                "runtimeClassName": "nvidia",
                "containers": [{"name": "exporter", "image": PROBE, "args": ["uid", "wait"]}],
            },
        },
    },
}


@contextmanager
def handler_lost(on_node: Cluster, pods: ExitStack) -> Iterator[Plugin]:
    """Let the runtime lose its handler between the admission of a plugin's pod and its start; yield the plugin."""
    with ExitStack() as running:
        with stopped(on_node.kubelet):
            plugin = pods.enter_context(installed(on_node.kubectl, release_of(on_node.setup.plugins[0], on_node.helm)))
            assert plugin.given_to(plugin.pod(NODE)) == BY_CLASS
            running.enter_context(on_node.runtime.changed(on_node.runtime.rename_handler))
        yield plugin


@ON_1_37
def test_without_its_handler_the_plugin_gets_the_library(on_node: Cluster, hasty: Webhook) -> None:
    """The node reports that the handler is gone, so that privileges are the only way; and later that it is back."""
    with ExitStack() as pods:
        with handler_lost(on_node, pods) as plugin:
            pod = released(on_node, hasty, plugin, "runtime-class", NO_HANDLER)
            assert_serves(on_node, plugin, pod, BY_NVML)
            assert hasty.metric("gpu_injector_releases_total") == 1
        # Another kind of node: no time has to pass.
        hasty.process.wait_until(lambda: not setbacks(on_node.kubectl), "forgets the setback", seconds=120)
        assert_serves(on_node, plugin, restarted(plugin), BY_CLASS)


@ON_1_33
def test_where_the_node_reports_no_handlers_the_plugin_is_idle(on_node: Cluster, hasty: Webhook) -> None:
    """Privileges must not take the place of a class that may work. When the time is over, it is tried again."""
    on_node.kubectl.apply([RUNTIME_CLASS, UNDER_THE_CLASS])
    try:
        with ExitStack() as pods:
            on_node.kubectl.run("rollout", "status", "daemonset/dcgm-exporter", "--namespace", NAMESPACE)
            with handler_lost(on_node, pods) as plugin:
                pod = released(on_node, hasty, plugin, "runtime-class", NO_HANDLER)
                assert plugin.given_to(pod) == LEFT
                plugin.wait_for_log(pod, "No devices found. Waiting indefinitely.")
                assert plugin.given_to(restarted(plugin)) == LEFT
            wait_for_the_end(on_node, hasty)
            assert_serves(on_node, plugin, restarted(plugin), BY_CLASS)
            assert hasty.metric("gpu_injector_releases_total") == 1
    finally:
        on_node.kubectl.run("delete", "daemonset/dcgm-exporter", "--namespace", NAMESPACE, "--cascade=foreground")
        on_node.kubectl.run("delete", "runtimeclass/nvidia")
