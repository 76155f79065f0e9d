"""Node facts on the real node: the DaemonSet of the chart, from our image, without privileges.

A GPU's sysfs and procfs are a stand-in directory on the node, which a value of the chart for tests mounts. The default
runtime is real.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from support.chart import CHART
from support.host_tree import write_host

from e2e.commands import gpu_injector
from e2e.helm import RELEASE, Helm
from e2e.installed.conftest import VALUES
from e2e.installed.node_reports import (
    DAEMON_SET,
    ENABLED_FACTS,
    FACTS_PODS,
    IN_OURS,
    STAND_IN_FACTS,
    bind,
    facts_chart,
    facts_rolled_out,
    facts_status,
    reported,
    stand_in_host,
)
from e2e.installed.objects import rolled_out
from e2e.kubectl import Kubectl
from e2e.namespaces import ENABLED
from e2e.node.cluster import Cluster
from e2e.node.driver import NEWER_VERSION, VERSION
from e2e.node.kubernetes import NODE
from e2e.node.plugin import Given, installed, static_release
from e2e.pods import decision_of, pod, would_be_decided
from e2e.processes import until
from webhook.doctor.checks import check_installation, check_registration

RESTRICTED = "pod-security.kubernetes.io/enforce=restricted"
OF_THE_WEBHOOK = (check_installation.CATEGORY, check_registration.CATEGORY)


@pytest.fixture(scope="module")
def stand_in(with_image: Cluster) -> Path:
    """Write the files of a host with one GPU and its driver on the node; return the folder, seen from outside."""
    return stand_in_host(with_image)


@pytest.fixture(scope="module", autouse=True)
def chart(with_image: Cluster, helm: Helm, stand_in: Path) -> Iterator[None]:  # noqa: ARG001
    """Install the chart with node facts into a namespace that enforces PodSecurity ``restricted``; the node is bare."""
    with facts_chart(with_image, helm, {"nodeFacts": ENABLED_FACTS}, RESTRICTED):
        yield


def upgraded(helm: Helm, kubectl: Kubectl) -> None:
    """Upgrade the release so that its pods read the stand-in; that needs a host path, which ``restricted`` forbids."""
    kubectl.run("label", "namespace", RELEASE, f"{RESTRICTED.partition('=')[0]}-")
    helm.run("upgrade", RELEASE, CHART, IN_OURS, values={**VALUES, "nodeFacts": STAND_IN_FACTS})
    rolled_out(kubectl)
    facts_rolled_out(kubectl)


def test_the_pods_run_without_privileges(kubectl: Kubectl) -> None:
    """PodSecurity ``restricted`` accepts them, and this machine, which has no GPU, is reported as it is."""
    facts_rolled_out(kubectl)
    report = until(lambda: reported(kubectl), "the node reports")
    assert (report["gpus"], report["added"], report["tegra"]) == ({}, None, False)
    (found,) = kubectl.get(*FACTS_PODS)["items"]
    assert found["spec"]["automountServiceAccountToken"] is False
    assert not any("hostPath" in volume for volume in found["spec"]["volumes"])


def test_a_node_without_a_gpu_gets_no_patch(with_image: Cluster, kubectl: Kubectl) -> None:
    """The handler is there, as on each node of one image: the plugin's pod stays as its author wrote it."""
    with installed(kubectl, static_release(with_image.setup.plugins[0])) as plugin:
        assert plugin.given_to(plugin.pod(NODE)) == Given("leave/no-gpu-evidence")


def test_a_driver_cures_the_plugin_without_a_label(with_image: Cluster, helm: Helm, kubectl: Kubectl) -> None:
    """Without a label the node reports its driver, and the plugin's next pod finds its GPUs."""
    upgraded(helm, kubectl)
    until(lambda: reported(kubectl).get("driverVersion") == VERSION, "the node reports its driver")
    until(lambda: bool(would_be_decided(kubectl)), "the API server calls the webhook")
    with installed(kubectl, static_release(with_image.setup.plugins[0])) as plugin:
        assert plugin.given_to(plugin.pod(NODE)).decision == "bootstrap/runtime-class"
        until(lambda: with_image.gpus() == "2", "the node offers two GPUs")


def test_facts_follow_a_driver_upgrade(kubectl: Kubectl, stand_in: Path) -> None:
    """The container that looks ends with the new version, within two minutes."""
    write_host(stand_in, version=NEWER_VERSION, boot_id=reported(kubectl)["bootID"])
    until(lambda: reported(kubectl)["driverVersion"] == NEWER_VERSION, "the new version is reported", seconds=120)


def test_gpus_of_virtual_machines_are_no_gpus(with_image: Cluster, kubectl: Kubectl, stand_in: Path) -> None:
    """Another driver is bound to the same device, whatever a label says."""
    with_image.show_gpus()
    bind(stand_in, "vfio-pci")
    try:
        until(lambda: reported(kubectl)["gpus"] == {"vfio-pci": 1}, "the driver is reported", seconds=120)
        with installed(kubectl, static_release(with_image.setup.plugins[0])) as plugin:
            found = until(lambda: _decided(plugin.pod(NODE), "leave/no-gpu-evidence"), "the plugin is left alone")
            assert plugin.given_to(found) == Given("leave/no-gpu-evidence")
    finally:
        bind(stand_in, "nvidia")
        with_image.hide_gpus()


def _decided(found: dict[str, Any], decision: str) -> dict[str, Any]:
    return found if decision_of(found) == decision else {}


def test_nvidias_runtime_as_default_is_seen(with_image: Cluster, kubectl: Kubectl) -> None:
    """The init container gets the GPUs, so GPU pods need no class, and no container gets a variable that hides them."""
    two = pod(ENABLED)
    two["spec"]["containers"].append({"name": "sidecar", "image": "localhost/none"})
    with with_image.runtime.nvidia_by_default():
        kubectl.run("rollout", "restart", IN_OURS, DAEMON_SET)
        facts_rolled_out(kubectl)
        until(lambda: reported(kubectl).get("added") is True, "the node reports what was added", seconds=120)
        with installed(kubectl, static_release(with_image.setup.plugins[0])) as plugin:
            assert plugin.given_to(plugin.pod(NODE)) == Given("leave/nvml-provided")
            until(lambda: with_image.gpus() == "2", "the node offers two GPUs")
            created = kubectl.create(two, "--dry-run=server").object
    assert decision_of(created) == "leave/platform-provides"
    assert not any("env" in container for container in created["spec"]["containers"])


def test_a_driver_that_fails_under_nvidias_runtime_is_a_fact(with_image: Cluster, kubectl: Kubectl) -> None:
    """The pod of node facts cannot start: GPU pods are left alone, and doctor blames the node, not the webhook."""
    with with_image.runtime.nvidia_by_default(), with_image.driver.absent():
        kubectl.run("rollout", "restart", IN_OURS, DAEMON_SET)
        until(lambda: _failing(facts_status(kubectl)), "the pod cannot start", seconds=120)
        until(lambda: _would_be_left(kubectl), "the webhook has seen it")
        # A container that is created again shows no failure for a moment.
        failed = until(lambda: _failed_with_runtime(kubectl), "doctor names the runtime")
    assert failed.isdisjoint(check.name for category in OF_THE_WEBHOOK for check in category.checks), failed


def _failed_with_runtime(kubectl: Kubectl) -> set[str]:
    """Return the checks that fail, if the one of the default runtime is among them."""
    found = gpu_injector("doctor", "-o", "json", kubeconfig=kubectl.kubeconfig)
    failed = {one["check"] for one in json.loads(found.stdout)["checks"] if one["state"] == "fail"}
    return failed if "default-runtime" in failed else set()


def _failing(status: Mapping[str, Any]) -> bool:
    """Say whether the container runtime could not create the init container."""
    states = (one.get(state, {}) for one in status.get("initContainerStatuses", ()) for state in ("state", "lastState"))
    return any("nvidia" in shown.get("message", "") for state in states for shown in state.values())


def _would_be_left(kubectl: Kubectl) -> bool:
    return would_be_decided(kubectl) == "leave/platform-provides"
