"""The chart with node facts on the node: what its pod reports, and a folder that stands for the host's files."""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support.chart import CHART
from support.host_tree import write_host

from e2e.helm import NAMESPACE, RELEASE, Helm, Values
from e2e.installed.conftest import VALUES
from e2e.installed.objects import rolled_out
from e2e.kubectl import Kubectl
from e2e.node.cluster import Cluster
from e2e.node.driver import VERSION
from e2e.node.kubernetes import NODE

IN_OURS = f"--namespace={NAMESPACE}"
FACTS_PODS = ("pods", IN_OURS, "--selector=app.kubernetes.io/name=gpu-injector-node-facts")
DAEMON_SET = "daemonset/gpu-injector-node-facts"
STAND_IN = "stand-in-host"
TIMEOUT = "--timeout=170s"
ENABLED_FACTS = {"enabled": True}
# The pods read the stand-in; that needs a host path, which ``restricted`` forbids.
STAND_IN_FACTS = {"enabled": True, "testRoot": f"/{STAND_IN}"}


def stand_in_host(cluster: Cluster) -> Path:
    """Write the files of a host with one GPU and its driver on the node; return the folder, seen from outside."""
    boot_id = cluster.kubectl.get(f"node/{NODE}")["status"]["nodeInfo"]["bootID"]
    folder = cluster.runtime.sandbox.root / STAND_IN
    # Another test may have left its own.
    shutil.rmtree(folder, ignore_errors=True)
    return write_host(folder, ["nvidia"], version=VERSION, boot_id=boot_id)


@contextmanager
def facts_chart(cluster: Cluster, helm: Helm, values: Values, *labels: str) -> Iterator[None]:
    """Have the chart with these values in a namespace with these labels; neither webhook nor node remember."""
    kubectl = cluster.kubectl
    cluster.hide_gpus()
    # Another test may have left it being deleted: this waits for the end of that. A kubelet that starts meanwhile takes
    # long to end the pods in it.
    kubectl.run("delete", "namespace", NAMESPACE, "--ignore-not-found")
    cluster.forget_gpus()
    kubectl.run("create", "namespace", NAMESPACE)
    for label in labels:
        kubectl.run("label", "namespace", NAMESPACE, label)
    helm.run("install", RELEASE, CHART, IN_OURS, values={**VALUES, **values})
    rolled_out(kubectl)
    try:
        yield
    finally:
        helm.run("uninstall", RELEASE, IN_OURS, "--wait")
        kubectl.run("delete", "namespace", NAMESPACE)
        cluster.show_gpus()


def facts_rolled_out(kubectl: Kubectl) -> None:
    """Wait until the node's pod is the newest and runs."""
    kubectl.run("rollout", "status", IN_OURS, DAEMON_SET, TIMEOUT)


def facts_status(kubectl: Kubectl) -> Mapping[str, Any]:
    """Return the status of the node's pod, empty while there is none."""
    found = kubectl.get(*FACTS_PODS)["items"]
    newest: Mapping[str, Any] = max(found, key=lambda item: item["metadata"]["creationTimestamp"], default={})
    status: Mapping[str, Any] = newest.get("status", {})
    return status


def reported(kubectl: Kubectl) -> dict[str, Any]:
    """Return the newest report of the node's pod, empty while there is none."""
    status = facts_status(kubectl)
    ends = [
        one[state]["terminated"]
        for one in (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ()))
        for state in ("state", "lastState")
        if one.get(state, {}).get("terminated", {}).get("exitCode") == 0
    ]
    newest: dict[str, str] = max(ends, key=lambda end: end["finishedAt"], default={})
    report: dict[str, Any] = json.loads(newest.get("message") or "{}")
    return report


def bind(stand_in: Path, driver: str) -> None:
    """Bind another driver to the GPU of the stand-in; an empty name is none."""
    link = next((stand_in / "sys/bus/pci/devices").iterdir()) / "driver"
    link.unlink(missing_ok=True)
    if driver:
        link.symlink_to(f"../../drivers/{driver}")
