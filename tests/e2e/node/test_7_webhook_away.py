"""The webhook is away while the plugin's pod is re-created: the pod finds no GPU until it is re-created again."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from e2e.control_plane import ControlPlane
from e2e.installation import MANIFEST, Webhook, running_webhook
from e2e.node.cluster import Cluster
from e2e.node.kubernetes import NODE
from e2e.node.plugin import Given, Plugin
from e2e.processes import until

POLICY = {"bootstrap": {"repair": "evict"}}
RIGHTS = MANIFEST.with_name("repair-evict.yaml")
BLIND_PODS = "gpu_injector_blind_plugin_pods"


@pytest.fixture
def blind(on_node: Cluster, plugin: Plugin, webhook: Webhook) -> str:
    """Grant the right to evict, and re-create the plugin's pod while no replica answers; return the pod's uid."""
    on_node.kubectl.apply(yaml.safe_load_all(RIGHTS.read_text()))
    sighted = plugin.pod(NODE)["metadata"]["uid"]
    webhook.process.kill()
    plugin.restart()
    pod = plugin.pod(NODE, instead_of=sighted)
    assert plugin.given_to(pod) == Given()
    until(lambda: on_node.gpus() == "0", "the node offers no GPU")
    # Until they are not in the capacity, either, they may be unhealthy: for five minutes, or until now.
    on_node.forget_gpus()
    uid: str = pod["metadata"]["uid"]
    return uid


@pytest.fixture
def returned(plane: ControlPlane, webhook_port: int, policy: Path, blind: str) -> Iterator[Webhook]:  # noqa: ARG001
    """Start the webhook again, when the pod is blind."""
    with running_webhook(plane, webhook_port, "--policy", policy) as webhook:
        yield webhook


def test_a_blind_pod_is_reported_and_repaired(on_node: Cluster, plugin: Plugin, blind: str, returned: Webhook) -> None:
    """The next process counts it, tells of it on the DaemonSet, and evicts it; the new pod finds its GPUs."""
    until(lambda: returned.metric(BLIND_PODS) == 1, "the pod is counted")
    assert NODE in plugin.event("find no GPU")["message"]
    assert NODE in plugin.event("evicted the plugin pod")["message"]
    repaired = plugin.pod(NODE, instead_of=blind)
    assert str(plugin.given_to(repaired).decision).startswith("bootstrap/")
    until(lambda: on_node.gpus() == "2", "the node offers its GPUs again", seconds=30)
    until(lambda: returned.metric(BLIND_PODS) == 0, "no plugin pod is blind")
