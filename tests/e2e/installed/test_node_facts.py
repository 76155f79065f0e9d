"""Node facts on the real node: the DaemonSet of the chart, from our image, without privileges.

A GPU's sysfs and procfs are a stand-in directory on the node, which a value of the chart for tests mounts. The default
runtime is real.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.chart import CHART
from support.host_tree import write_host

from e2e.helm import NAMESPACE, RELEASE, Helm
from e2e.installed.conftest import VALUES
from e2e.installed.objects import rolled_out
from e2e.kubectl import Kubectl
from e2e.namespaces import ENABLED
from e2e.node.cluster import Cluster
from e2e.node.driver import NEWER_VERSION, VERSION
from e2e.node.kubernetes import NODE
from e2e.node.plugin import Given, installed, static_release
from e2e.pods import decision_of, pod, would_be_decided
from e2e.processes import until

IN_OURS = f"--namespace={NAMESPACE}"
FACTS_PODS = ("pods", IN_OURS, "--selector=app.kubernetes.io/name=gpu-injector-node-facts")
DAEMON_SET = "daemonset/gpu-injector-node-facts"
STAND_IN = "stand-in-host"
RESTRICTED = "pod-security.kubernetes.io/enforce=restricted"
TIMEOUT = "--timeout=120s"


@pytest.fixture(scope="module")
def stand_in(with_image: Cluster) -> Path:
    """Write the files of a host with one GPU and its driver on the node; return the folder, seen from outside."""
    boot_id = with_image.kubectl.get(f"node/{NODE}")["status"]["nodeInfo"]["bootID"]
    return write_host(with_image.runtime.sandbox.root / STAND_IN, ["nvidia"], version=VERSION, boot_id=boot_id)


@pytest.fixture(scope="module", autouse=True)
def chart(with_image: Cluster, helm: Helm, kubectl: Kubectl, stand_in: Path) -> Iterator[None]:  # noqa: ARG001
    """Install the chart with node facts into a namespace that enforces PodSecurity ``restricted``; the node is bare."""
    # Another test may have left it being deleted: this waits for the end of that.
    kubectl.run("delete", "namespace", NAMESPACE, "--ignore-not-found")
    kubectl.run("create", "namespace", NAMESPACE)
    kubectl.run("label", "namespace", NAMESPACE, RESTRICTED)
    with_image.hide_gpus()
    helm.run("install", RELEASE, CHART, IN_OURS, values={**VALUES, "nodeFacts": {"enabled": True}})
    rolled_out(kubectl)
    yield
    helm.run("uninstall", RELEASE, IN_OURS, "--wait")
    kubectl.run("delete", "namespace", NAMESPACE)
    with_image.show_gpus()


def reported(kubectl: Kubectl) -> dict[str, Any]:
    """Return the newest report of the node's pod, empty while there is none."""
    (found,) = kubectl.get(*FACTS_PODS)["items"] or [{}]
    status = found.get("status", {})
    ends = [
        one[state]["terminated"]
        for one in (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ()))
        for state in ("state", "lastState")
        if "terminated" in one.get(state, {})
    ]
    newest: dict[str, str] = max(ends, key=lambda end: end["finishedAt"], default={})
    report: dict[str, Any] = json.loads(newest.get("message") or "{}")
    return report


def upgraded(helm: Helm, kubectl: Kubectl) -> None:
    """Upgrade the release so that its pods read the stand-in; that needs a host path, which ``restricted`` forbids."""
    kubectl.run("label", "namespace", NAMESPACE, f"{RESTRICTED.partition('=')[0]}-")
    facts = {"enabled": True, "testRoot": f"/{STAND_IN}"}
    helm.run("upgrade", RELEASE, CHART, IN_OURS, values={**VALUES, "nodeFacts": facts})
    rolled_out(kubectl)
    kubectl.run("rollout", "status", IN_OURS, DAEMON_SET, TIMEOUT)


def test_the_pods_run_without_privileges(kubectl: Kubectl) -> None:
    """PodSecurity ``restricted`` accepts them, and this machine, which has no GPU, is reported as it is."""
    kubectl.run("rollout", "status", IN_OURS, DAEMON_SET, TIMEOUT)
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
    device = next((stand_in / "sys/bus/pci/devices").iterdir()) / "driver"
    with_image.show_gpus()
    device.unlink()
    device.symlink_to("../../drivers/vfio-pci")
    try:
        until(lambda: reported(kubectl)["gpus"] == {"vfio-pci": 1}, "the driver is reported", seconds=120)
        with installed(kubectl, static_release(with_image.setup.plugins[0])) as plugin:
            found = until(lambda: _decided(plugin.pod(NODE), "leave/no-gpu-evidence"), "the plugin is left alone")
            assert plugin.given_to(found) == Given("leave/no-gpu-evidence")
    finally:
        device.unlink()
        device.symlink_to("../../drivers/nvidia")
        with_image.hide_gpus()


def _decided(found: dict[str, Any], decision: str) -> dict[str, Any]:
    return found if decision_of(found) == decision else {}


def test_nvidias_runtime_as_default_is_seen(with_image: Cluster, kubectl: Kubectl) -> None:
    """The init container gets the GPUs, so GPU pods need no class, and no container gets a variable that hides them."""
    two = pod(ENABLED)
    two["spec"]["containers"].append({"name": "sidecar", "image": "localhost/none"})
    with with_image.runtime.nvidia_by_default():
        kubectl.run("rollout", "restart", IN_OURS, DAEMON_SET)
        kubectl.run("rollout", "status", IN_OURS, DAEMON_SET, TIMEOUT)
        until(lambda: reported(kubectl).get("added") is True, "the node reports what was added", seconds=120)
        with installed(kubectl, static_release(with_image.setup.plugins[0])) as plugin:
            assert plugin.given_to(plugin.pod(NODE)) == Given("leave/nvml-provided")
            until(lambda: with_image.gpus() == "2", "the node offers two GPUs")
            created = kubectl.create(two, "--dry-run=server").object
    assert decision_of(created) == "leave/platform-provides"
    assert not any("env" in container for container in created["spec"]["containers"])
