"""The incident, diagnosed in one run: the plugin was made while the webhook was away."""

from typing import Any

import pytest

from e2e.commands import gpu_injector
from e2e.kubectl import Printed
from e2e.node.cluster import Cluster
from e2e.node.kubernetes import NODE
from e2e.node.plugin import installed, release_of
from e2e.node.setups import ON_1_33, ON_1_37

pytestmark = pytest.mark.usefixtures("webhook_port")

DEFAULT_RUNTIME = "containerd config dump | grep default_runtime_name"
CANNOT = f"device plugin cannot load NVML on {NODE}: "


def diagnosed(cluster: Cluster, version: str, said: str, state: str) -> tuple[Printed, str]:
    """Run doctor beside a blind plugin; return what it printed, and the name of the plugin's pod.

    In this state the log stays as it is: a plugin that crashes is not started again for ten seconds.
    """
    with installed(cluster.kubectl, release_of(version, cluster.helm)) as plugin:
        pod = plugin.pod(NODE)
        plugin.wait_for_log(pod, said)
        plugin.wait_for_state(pod, state)
        return gpu_injector("doctor", "-o", "json", kubeconfig=cluster.kubectl.kubeconfig), pod["metadata"]["name"]


def assert_first_fix(printed: Printed, fix: str) -> None:
    """Assert that doctor fails and gives this fix first for a plugin without NVML."""
    assert printed.code == 1
    found = row(printed, "plugin-nvml")
    (evidence,) = found["evidence"]
    assert (found["state"], found["fix"][0]["text"]) == ("fail", fix)
    assert evidence["message"].startswith(CANNOT)
    assert evidence["message"].endswith(f", fix: {fix}")


def row(printed: Printed, check: str) -> dict[str, Any]:
    """Return what one check found."""
    rows: list[dict[str, Any]] = printed.object["checks"]
    return next(item for item in rows if item["check"] == check)


@ON_1_33
@pytest.mark.parametrize("version", ["0.14", "0.17"])
def test_the_incident_of_a_static_manifest(on_node: Cluster, version: str) -> None:
    """Nothing shows the node's GPU, so the label comes first; then where containerd 1.x hides the default runtime."""
    printed, pod = diagnosed(on_node, version, "No devices found. Waiting indefinitely.", "running")
    label = f"if {NODE} has a GPU: kubectl label node {NODE} nvidia.com/gpu.present=true"
    assert_first_fix(printed, f"{label} && kubectl -n kube-system delete pod {pod}")
    assert [DEFAULT_RUNTIME in one["text"] for one in row(printed, "plugin-nvml")["fix"]] == [False, True]
    assert row(printed, "class-exists")["state"] == "warn"
    assert row(printed, "plugin-left-alone")["state"] == "fail"


@ON_1_37
@pytest.mark.usefixtures("evidence")
@pytest.mark.parametrize("version", ["0.18", "0.19"])
def test_the_incident_of_the_chart(on_node: Cluster, version: str) -> None:
    """The node is labelled and runs the class: the next pod would find its GPU."""
    printed, pod = diagnosed(on_node, version, "error starting plugins", "waiting")
    assert_first_fix(printed, f"kubectl -n kube-system delete pod {pod}")
    # The node of this cluster is some minutes old, and a new node may still be starting.
    assert row(printed, "gpus-allocatable")["state"] in {"warn", "fail"}
    assert row(printed, "runtime-handler")["state"] == "pass"
    # No webhook runs.
    assert row(printed, "webhook-answers")["state"] == "fail"
