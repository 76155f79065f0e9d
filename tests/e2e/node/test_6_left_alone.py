"""Plugin pods that get no privileges on the real node, because those would be without need or without effect."""

import copy
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from e2e.installation import running_webhook
from e2e.node.cluster import Cluster
from e2e.node.kubernetes import NODE
from e2e.node.plugin import CONTAINER, Given, Release, installed, release_of, static_release
from e2e.node.setups import ON_1_33
from e2e.node.stored import state_restored
from e2e.pods import would_be_decided
from e2e.processes import until


def with_variable(release: Release, name: str, value: str) -> Release:
    """Return a release whose plugin has one more variable."""
    manifests = copy.deepcopy(list(release.manifests))
    for container in (item for manifest in manifests for item in _containers(manifest)):
        if container["name"] == CONTAINER:
            container["env"] = [*container.get("env", ()), {"name": name, "value": value}]
    return replace(release, manifests=tuple(manifests))


def _containers(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = manifest["spec"]["template"]["spec"]["containers"]
    return found if manifest["kind"] == "DaemonSet" else []


def test_what_the_default_runtime_serves_is_left_alone(on_node: Cluster, webhook_port: int, policy: Path) -> None:
    """The plugin worked before the webhook came; its next pod is created during a rollout."""
    on_node.show_gpus()
    release = release_of(on_node.setup.plugins[0], on_node.helm)
    with (
        state_restored(on_node.kubectl),
        on_node.runtime.nvidia_by_default(),
        installed(on_node.kubectl, release) as plugin,
    ):
        first = plugin.pod(NODE)
        assert plugin.given_to(first) == Given()
        until(lambda: on_node.gpus() == "2", "the node offers two GPUs")
        with running_webhook(on_node.plane, webhook_port, "--policy", policy):
            until(lambda: would_be_decided(on_node.kubectl), "the API server calls the webhook for GPU pods")
            plugin.restart()
            second = plugin.pod(NODE, instead_of=first["metadata"]["uid"])
            assert plugin.given_to(second) == Given("leave/nvml-provided")
            until(lambda: on_node.gpus() == "2", "the node offers two GPUs")


@ON_1_33
@pytest.mark.usefixtures("webhook")
def test_a_cdi_strategy_does_not_become_privileged(on_node: Cluster) -> None:
    """The plugin would write a CDI specification of the whole driver, for which NVML is not enough."""
    release = with_variable(static_release("0.17"), "DEVICE_LIST_STRATEGY", "cdi-cri")
    with installed(on_node.kubectl, release) as plugin:
        assert plugin.given_to(plugin.pod(NODE)) == Given("leave/nvml-insufficient")


@ON_1_33
@pytest.mark.usefixtures("webhook")
def test_the_mps_daemon_does_not_become_privileged(on_node: Cluster) -> None:
    """It runs programs of the host. NVIDIA's chart makes it privileged by itself, and this manifest does not."""
    release = static_release("0.17")
    manifests = copy.deepcopy(list(release.manifests))
    template = next(one for one in manifests if one["kind"] == "DaemonSet")["spec"]["template"]
    template["spec"]["containers"][0] |= {"name": "mps-control-daemon-ctr", "command": ["sleep", "infinity"]}
    label = {"app.kubernetes.io/name": "nvidia-device-plugin"}
    template["metadata"]["labels"] |= label
    with installed(on_node.kubectl, replace(release, manifests=tuple(manifests))) as plugin:
        pod = plugin.pod(NODE)
        assert pod["metadata"]["annotations"]["gpu-injector.io/decision"] == "leave/nvml-insufficient"
        assert not pod["spec"]["containers"][0].get("securityContext", {}).get("privileged")
