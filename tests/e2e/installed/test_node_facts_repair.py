"""The incident's cure with node facts and ``repair: evict``: neither a label nor a restart is needed.

The tests take nothing from the ones before: the node offers no GPU, and the webhook remembers nothing.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.helm import Helm
from e2e.installed.node_reports import STAND_IN_FACTS, bind, facts_chart, facts_rolled_out, reported, stand_in_host
from e2e.kubectl import Kubectl
from e2e.node.cluster import Cluster
from e2e.node.kubernetes import NODE
from e2e.node.plugin import installed, static_release
from e2e.pods import decision_of, would_be_decided
from e2e.processes import until

VALUES = {"nodeFacts": STAND_IN_FACTS, "policy": {"bootstrap": {"repair": "evict"}}}


@pytest.fixture
def stand_in(with_image: Cluster, helm: Helm, kubectl: Kubectl) -> Iterator[Path]:
    """Have the chart on a bare node whose GPU has no driver yet; return the folder with the host's files."""
    folder = stand_in_host(with_image)
    bind(folder, "")
    with facts_chart(with_image, helm, VALUES):
        facts_rolled_out(kubectl)
        yield folder
    bind(folder, "nvidia")


def test_a_driver_that_is_loaded_later_needs_no_restart(with_image: Cluster, kubectl: Kubectl, stand_in: Path) -> None:
    """The driver is loaded after the plugin's pod was created: the pod is evicted, and the next one finds its GPUs."""
    until(lambda: reported(kubectl).get("gpus") == {"none": 1}, "no driver is reported", seconds=120)
    until(lambda: bool(would_be_decided(kubectl)), "the API server calls the webhook")
    with installed(kubectl, static_release(with_image.setup.plugins[0])) as plugin:
        first = plugin.pod(NODE)
        assert decision_of(first) == "leave/no-gpu-evidence"
        bind(stand_in, "nvidia")
        second = plugin.pod(NODE, instead_of=first["metadata"]["uid"], seconds=300)
        assert decision_of(second) == "bootstrap/runtime-class"
        assert NODE in plugin.event("evicted the plugin pod")["message"]
        until(lambda: with_image.gpus() == "2", "the node offers two GPUs")
