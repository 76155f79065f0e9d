"""Healthy clusters in which something is unusual: doctor warns at most, and never of what is not wrong."""

from copy import deepcopy
from datetime import timedelta

from support.cluster_world import namespace
from support.doctor_cases.changes import second_node
from support.doctor_world import GPU, NOW, PLUGIN, Cluster, Json, event
from support.mixed_platforms import QUIET, quiet
from support.reported_clusters.table import waiting
from webhook.names import INJECT_KEY

THEN = "2026-05-31T00:00:00Z"
PLACE = "/var/lib/kubelet/device-plugins"


def another_plugin(cluster: Cluster, name: str, node: str = "gpu-node") -> Json:
    """Have one more pod like the plugin's, and return it."""
    pod = deepcopy(cluster.plugin)
    pod["metadata"]["name"], pod["spec"]["nodeName"] = name, node
    cluster.add(pod)
    return pod


def other_devices(cluster: Cluster, name: str, image: str) -> Json:
    """Have a device plugin for other devices, whose name tells nothing of GPUs."""
    pod = another_plugin(cluster, f"{name}-1")
    mount = {"name": "device-plugin", "mountPath": PLACE}
    pod["metadata"] |= {"labels": {"app.kubernetes.io/name": name}, "annotations": {}}
    pod["spec"] = {
        "nodeName": "gpu-node",
        "volumes": [{"name": "device-plugin", "hostPath": {"path": PLACE}}],
        "containers": [{"name": name, "image": image, "volumeMounts": [mount]}],
    }
    return pod


@quiet("plugin-of-other-devices")
def plugin_of_other_devices(cluster: Cluster) -> None:
    """Amazon's plugin for network cards, which fails on a node without one."""
    pod = other_devices(cluster, "aws-efa-k8s-device-plugin", "602401143452.dkr.ecr.example/aws-efa-k8s-device-plugin")
    failed = waiting("CrashLoopBackOff", ended="Error")
    pod["status"] = {"phase": "Running", "conditions": [], "containerStatuses": [failed]}
    cluster.logs["aws-efa-k8s-device-plugin-1"] = "E1128 08:00:00.000000 1 main.go:7] failed to find EFA devices\n"


@quiet("plugin-of-unknown-devices")
def plugin_of_unknown_devices(cluster: Cluster) -> None:
    """A plugin of one's own, beside NVIDIA's."""
    other_devices(cluster, "lab-plugin", "registry.example/lab-plugin:1")


@quiet("plugin-is-replaced")
def plugin_is_replaced(cluster: Cluster) -> None:
    """The pod before is being deleted, and one before that was evicted."""
    another_plugin(cluster, "plugin-before")["metadata"]["deletionTimestamp"] = THEN
    evicted = {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."}
    another_plugin(cluster, "plugin-evicted")["status"] = evicted


@quiet("plugin-restarted-long-ago")
def plugin_restarted_long_ago(cluster: Cluster) -> None:
    """What its run before said does not matter any more."""
    ended = {"terminated": {"reason": "Error", "exitCode": 1}}
    cluster.plugin["status"]["containerStatuses"] = [{"name": "a", "restartCount": 3, "lastState": ended}]
    cluster.logs[PLUGIN] = "E1128 08:00:00.000000 1 main.go:7] error starting plugins: nvml: GPU is lost\n"


@quiet("plugin-of-own-name")
def plugin_of_own_name(cluster: Cluster) -> None:
    """A mirrored image under the company's own names."""
    for template in (cluster.plugin, cluster.daemon_set["spec"]["template"]):
        template["metadata"]["labels"] = {"app": "gpu-dp"}
        template["spec"]["volumes"] = [{"name": "dp", "hostPath": {"path": PLACE}}]
        mounts = [{"name": "dp", "mountPath": PLACE}]
        template["spec"]["containers"] = [{"name": "dp", "image": "mirror.example/gpu-dp:1", "volumeMounts": mounts}]


@quiet("plugin-for-each-pool")
def plugin_for_each_pool(cluster: Cluster) -> None:
    """Two DaemonSets, each for its own nodes."""
    second_node(cluster)["metadata"]["labels"]["pool"] = "b"
    cluster.node["metadata"]["labels"]["pool"] = "a"
    other = deepcopy(cluster.daemon_set)
    other["metadata"]["name"] = "nvidia-device-plugin-b"
    cluster.add(other)
    for owner, pool in ((cluster.daemon_set, "a"), (other, "b")):
        owner["spec"]["template"]["spec"]["nodeSelector"] = {"pool": pool}
    another_plugin(cluster, "plugin-2", "second")["metadata"]["ownerReferences"][0]["name"] = "nvidia-device-plugin-b"


@quiet("node-away-and-its-plugin", "nodes-ready")
def node_away_and_its_plugin(cluster: Cluster) -> None:
    """The controllers call the pods of a node that is away not Ready."""
    node = second_node(cluster)
    node["status"]["conditions"] = [{"type": "Ready", "status": "Unknown"}]
    for name in ("capacity", "allocatable"):
        node["status"][name] = {"cpu": "16", GPU: "0"}
    another_plugin(cluster, "plugin-2", "second")["status"]["conditions"] = [{"type": "Ready", "status": "False"}]


@quiet("node-reboots", "nodes-ready")
def node_reboots(cluster: Cluster) -> None:
    """The MIG manager reboots a node, which offers nothing meanwhile."""
    node = second_node(cluster)
    node["metadata"]["labels"]["nvidia.com/mig.config.state"] = "rebooting"
    node["status"]["conditions"] = [{"type": "Ready", "status": "False"}]
    node["status"]["allocatable"] = {"cpu": "16", GPU: "0"}


@quiet("node-in-maintenance", "nodes-ready", "gpus-healthy", "node-states", "plugin-running", "plugin-log")
def node_in_maintenance(cluster: Cluster) -> None:
    """A node with a broken GPU is cordoned: warnings for its repair, and no failure, as others serve."""
    node = second_node(cluster)
    node["spec"] = {"unschedulable": True}
    node["status"] |= {"capacity": {"cpu": "16", GPU: "2"}, "allocatable": {"cpu": "16", GPU: "0"}}
    node["status"]["conditions"] = [{"type": "Ready", "status": "True"}, {"type": "GpuXidError", "status": "True"}]
    another_plugin(cluster, "plugin-2", "second")["status"]["conditions"] = []
    cluster.logs["plugin-2"] = "XidCriticalError: Xid=79 on Device=GPU-1, the device will go unhealthy.\n"


@quiet("events-of-pods-that-run")
def events_of_pods_that_run(cluster: Cluster) -> None:
    """Half an hour ago the toolkit was being installed; the pods of then are Ready."""
    found = event('Failed to create pod sandbox: rpc error: no runtime for "nvidia" is configured')
    found["involvedObject"] = {"kind": "Pod", "namespace": "kube-system", "name": PLUGIN}
    found["lastTimestamp"] = (NOW - timedelta(minutes=30)).isoformat()
    cluster.add(found)
    cluster.plugin["status"]["conditions"][0]["lastTransitionTime"] = (NOW - timedelta(minutes=28)).isoformat()


@quiet("namespace-is-deleted")
def namespace_is_deleted(cluster: Cluster) -> None:
    """Its pods were made while the webhook was away, and go with it."""
    cluster.add(namespace("old", **{INJECT_KEY: "enabled"}))
    pod = deepcopy(cluster.bare_pod())
    pod["metadata"] |= {"name": "old", "namespace": "old", "deletionTimestamp": THEN, "creationTimestamp": THEN}
    cluster.add(pod)
    cluster.remove("Pod", "model")


@quiet("pod-failed-long-ago")
def pod_failed_long_ago(cluster: Cluster) -> None:
    """A Job's pod from the time before the opt-in, of a class that is gone."""
    pod = deepcopy(cluster.pod)
    pod["metadata"] |= {"name": "old", "annotations": {}, "creationTimestamp": THEN}
    pod["spec"]["runtimeClassName"] = "gone"
    pod["status"] = {"phase": "Failed"}
    bare = deepcopy(pod)
    bare["metadata"]["name"] = "older"
    del bare["spec"]["runtimeClassName"]
    cluster.add(pod, bare)


@quiet("plugin-on-windows", "plugin-running")
def plugin_on_windows(cluster: Cluster) -> None:
    """The static manifest selects Windows nodes as well."""
    node = second_node(cluster)
    node["metadata"]["labels"] = {"kubernetes.io/hostname": "second", "kubernetes.io/os": "windows"}
    node["status"] |= {"capacity": {"cpu": "16"}, "allocatable": {"cpu": "16"}}
    pod = another_plugin(cluster, "plugin-2", "second")
    said = "Back-off pulling image: no match for platform in manifest"
    pod["status"] = {"phase": "Pending", "containerStatuses": [waiting("ImagePullBackOff", said)]}
    del pod["spec"]["runtimeClassName"]


@quiet("plugin-on-virtual-node", "plugin-running")
def plugin_on_virtual_node(cluster: Cluster) -> None:
    """It tolerates everything, and a virtual node takes its pod and never runs it."""
    node = second_node(cluster)
    node["metadata"]["labels"] = {"kubernetes.io/hostname": "second", "type": "virtual-kubelet"}
    node["status"] |= {"capacity": {"cpu": "16"}, "allocatable": {"cpu": "16"}}
    pod = another_plugin(cluster, "plugin-2", "second")
    pod["status"] = {"phase": "Pending"}
    del pod["spec"]["runtimeClassName"]


__all__ = ["QUIET"]
