"""Clusters spoilt for the checks of GPU pods without help."""

from copy import deepcopy

from support.cluster_world import namespace
from support.doctor_cases.changes import mounts_nvml
from support.doctor_cases.table import spoils
from support.doctor_world import LATER, Cluster, Json
from webhook.doctor.check import State
from webhook.names import DECISION_KEY, INJECT_KEY


@spoils("pods-uncalled", "ml/model carries no annotation")
def uncalled(cluster: Cluster) -> None:
    """It was created in an enabled namespace and the webhook was not called."""
    cluster.bare_pod()["metadata"]["creationTimestamp"] = LATER


@spoils("pods-uncalled", "ml: 0 of 1 GPU pods injected; the webhook was not called for 1, or failed: model")
def uncalled_of_how_many(cluster: Cluster) -> None:
    """The pods of each namespace are counted."""
    uncalled(cluster)


@spoils("pods-too-early", "now it would be inject/runtime-class", State.WARN)
def too_early(cluster: Cluster) -> None:
    """It is older than the label of its namespace, which the managed fields date."""
    cluster.bare_pod()["metadata"]["creationTimestamp"] = LATER
    labels: Json = {"f:metadata": {"f:labels": {f"f:{INJECT_KEY}": {}}}}
    owner = {"manager": "kubectl-label", "time": "2026-06-01T00:00:00Z", "fieldsV1": labels}
    cluster.of("Namespace", "ml")["metadata"]["managedFields"] = [owner]


@spoils("pods-too-early", "kubectl -n ml rollout restart deployment/model", State.WARN)
def too_early_of_a_deployment(cluster: Cluster) -> None:
    """The fix names the Deployment of the pod."""
    too_early(cluster)
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "model-7c", "uid": "u", "controller": True}
    cluster.add({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "model-7c", "namespace": "ml"}})
    cluster.of("Pod", "model")["metadata"] |= {"labels": {"pod-template-hash": "7c"}, "ownerReferences": [owner]}


@spoils("pods-not-opted-in", "web: 1 GPU pods without a driver, and no label", State.WARN)
def other_namespace(cluster: Cluster) -> None:
    """Its namespace has no label."""
    pod = deepcopy(cluster.bare_pod())
    cluster.remove("Pod", "model")
    pod["metadata"] |= {"namespace": "web"}
    cluster.add(namespace("web"), pod)


@spoils("pods-left", "ml/model: leave/handler-mixed", State.WARN)
def left_for_a_reason(cluster: Cluster) -> None:
    """The reason needs action."""
    cluster.bare_pod()["metadata"]["annotations"] = {DECISION_KEY: "leave/handler-mixed"}


@spoils("pod-security", 'namespace enforces PodSecurity "restricted"', State.WARN)
def restricted(cluster: Cluster) -> None:
    """The class does not work there, and the libraries would be refused."""
    cluster.remove("RuntimeClass", "nvidia")
    cluster.of("Namespace", "ml")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] = "restricted"
    mounts_nvml(cluster.of("DaemonSet", "nvidia-device-plugin")["spec"]["template"])
    cluster.plugin["spec"].pop("runtimeClassName")
    cluster.plugin["metadata"]["annotations"] = {}
    mounts_nvml(cluster.plugin)
