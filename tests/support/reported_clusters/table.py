"""The table of clusters from public reports, and the changes that several of them share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from support.cluster_world import namespace
from support.doctor_cases.changes import offers_nothing
from support.doctor_world import GPU, PLUGIN, Cluster, Json, event
from support.platforms import cluster_on
from webhook.doctor.check import State

FAIL, WARN = State.FAIL, State.WARN
Right = Mapping[str, tuple[State, str]]
Change = Callable[[Cluster], object]


@dataclass(frozen=True)
class Report:
    """The platform, what is wrong on it, the checks that do not pass with a text that each must contain."""

    platform: str
    spoil: Change
    right: Right
    source: str
    never: str = "\0"

    def cluster(self) -> Cluster:
        """Return the cluster of the report."""
        cluster = cluster_on(self.platform)
        self.spoil(cluster)
        return cluster


REPORTS: dict[str, Report] = {}


def report(platform: str, source: str, *, never: str = "\0", **right: tuple[State, str]) -> Callable[[Change], Change]:
    """Add a report to the table; the names of checks have underscores here."""

    def add(spoil: Change) -> Change:
        found = {name.replace("_", "-"): one for name, one in right.items()}
        REPORTS[spoil.__name__.strip("_").replace("_", "-")] = Report(platform, spoil, found, source, never)
        return spoil

    return add


def waiting(reason: str, message: str = "", *, ended: str = "", code: int = 1, name: str = "main") -> Json:
    """Return the status of a container that waits; ``ended`` is how its run before ended."""
    state: Json = {"name": name, "restartCount": 7, "state": {"waiting": {"reason": reason, "message": message}}}
    if ended:
        state["state"]["waiting"].pop("message")
        state["lastState"] = {"terminated": {"reason": ended, "exitCode": code, "message": message}}
    return state


def support_pod(cluster: Cluster, label: str, *statuses: Json, log: str = "", place: str = "gpu-operator") -> Json:
    """Have a pod that brings driver or runtime; it is Ready without statuses."""
    key, _, value = label.rpartition("=")
    ready = [{"type": "Ready", "status": "False" if statuses else "True"}]
    pod: Json = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"{value}-x1", "namespace": place, "labels": {key: value}},
        "spec": {"nodeName": "gpu-node", "containers": [{"name": "main"}], "initContainers": [{"name": "init"}]},
        "status": {"phase": "Pending" if statuses else "Running", "conditions": ready},
    }
    if statuses:
        pod["status"]["initContainerStatuses"] = list(statuses)
    cluster.add(pod)
    if (("Namespace", place)) not in cluster.objects:
        cluster.add(namespace(place))
    cluster.logs[f"{value}-x1"] = log
    return pod


def plugin_fails(cluster: Cluster, log: str = "", message: str = "", *, ended: str = "Error") -> None:
    """Have the device plugin end again and again, and its node without GPUs."""
    cluster.node["status"]["allocatable"][GPU] = cluster.node["status"]["capacity"][GPU] = "0"
    cluster.plugin["status"] |= {
        "conditions": [],
        "containerStatuses": [waiting("CrashLoopBackOff", message, ended=ended, name="nvidia-device-plugin-ctr")],
    }
    cluster.logs[PLUGIN] = log


def plugin_waits(cluster: Cluster) -> None:
    """Have the operator's plugin wait for the toolkit, and its node without GPUs."""
    offers_nothing(cluster)
    pod = cluster.plugin
    pod["spec"]["initContainers"] = [{"name": "toolkit-validation"}]
    pod["status"] = {
        "phase": "Pending",
        "conditions": [],
        "initContainerStatuses": [{"name": "toolkit-validation", "restartCount": 0, "state": {"running": {}}}],
        "containerStatuses": [waiting("PodInitializing", name="nvidia-device-plugin")],
    }
    cluster.of("ClusterPolicy", "cluster-policy")["status"]["state"] = "notReady"


def pod_fails(cluster: Cluster, reason: str, message: str, *, ended: str = "", code: int = 128) -> None:
    """Have the GPU pod's container not start."""
    cluster.pod["status"] = {
        "phase": "Pending",
        "containerStatuses": [waiting(reason, message, ended=ended, code=code)],
    }


def pod_rejected(cluster: Cluster, reason: str, message: str) -> None:
    """Have the kubelet reject the GPU pod."""
    cluster.pod["status"] = {"phase": "Failed", "reason": reason, "message": f"Pod {message}"}
    cluster.add(event(message, reason=reason))


def nothing_offered(**more: tuple[State, str]) -> dict[str, Any]:
    """Return what is right where the only GPU node offers nothing."""
    return {"gpus_allocatable": (FAIL, "gpu-node offers nvidia.com/gpu: 0"), **more}


TASK = "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: "
HOOK = "error running hook #0: error running hook: exit status 1, stdout: , stderr: Auto-detected mode as 'legacy'\n"
CLI = f"{TASK}unable to start container process: error during container init: {HOOK}nvidia-container-cli: "
