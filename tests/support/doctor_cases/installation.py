"""Clusters spoilt for the checks of the webhook itself."""

from support.doctor_cases.table import spoils
from support.doctor_world import Cluster
from webhook.doctor.check import State
from webhook.names import INJECT_KEY


@spoils("server-version", "v1.29.9")
def old_server(cluster: Cluster) -> None:
    """It ignores matchConditions."""
    cluster.version = {"major": "1", "minor": "29", "gitVersion": "v1.29.9"}


@spoils("webhook-pods", "there is no Deployment gpu-injector in gpu-injector")
def not_installed(cluster: Cluster) -> None:
    """It is not installed."""
    cluster.remove("Deployment", "gpu-injector")


@spoils("webhook-pods", "the image reaches the nodes: docs/image.md")
def image_not_loaded(cluster: Cluster) -> None:
    """It was installed without a registry, and a node has no image."""
    no_image(cluster)
    (status,) = cluster.of("Pod", "webhook-a")["status"]["containerStatuses"]
    status["state"]["waiting"]["reason"] = "ErrImageNeverPull"


@spoils("webhook-pods", "webhook-a: ImagePullBackOff")
def no_image(cluster: Cluster) -> None:
    """No replica starts."""
    cluster.of("Deployment", "gpu-injector")["status"] = {}
    waiting = {"name": "webhook", "state": {"waiting": {"reason": "ImagePullBackOff"}}}
    cluster.of("Pod", "webhook-a")["status"] = {"phase": "Pending", "containerStatuses": [waiting]}


@spoils("webhook-pods", "1 of 2 replicas are ready", State.WARN)
def one_replica(cluster: Cluster) -> None:
    """The other one still serves."""
    cluster.of("Deployment", "gpu-injector")["status"] = {"readyReplicas": 1}


@spoils("webhook-pods", "the Deployment is scaled to 0")
def scaled_away(cluster: Cluster) -> None:
    """An administrator switched it off."""
    cluster.of("Deployment", "gpu-injector")["spec"]["replicas"] = 0


@spoils("webhook-endpoints", "has no endpoint that is ready")
def no_endpoint(cluster: Cluster) -> None:
    """The Service leads nowhere."""
    cluster.of("EndpointSlice", "gpu-injector-1")["endpoints"][0]["conditions"] = {"ready": False}


@spoils("webhook-answers", "it came back without the annotation")
def no_answer(cluster: Cluster) -> None:
    """The API server could not reach the webhook, and let the pod in."""
    cluster.tried = (201, {"metadata": {"name": "gpu-injector-trial-1"}})


@spoils("webhook-answers", 'RuntimeClass "nvidia" not found')
def class_of_no_cluster(cluster: Cluster) -> None:
    """The pod would be rejected for the class that was set."""
    message = 'pods "gpu-injector-trial-1" is forbidden: pod rejected: RuntimeClass "nvidia" not found'
    cluster.tried = (403, {"kind": "Status", "reason": "Forbidden", "message": message})


@spoils("webhook-log", "gpu-injector/webhook-b: watch-lost", State.WARN)
def lost_watch(cluster: Cluster) -> None:
    """A replica sees the cluster no more."""
    cluster.logs["webhook-b"] = '{"kind": "nodes", "event": "watch-lost"}\n'


@spoils("webhook-log", "webhook-b: leaf-expired", State.WARN)
def expired_leaf(cluster: Cluster) -> None:
    """A replica serves a certificate that has ended."""
    cluster.logs["webhook-b"] = '{"event": "leaf-expired"}\n'


@spoils("webhook-log", "webhook-b: leaf-names-missing", State.WARN)
def missing_names(cluster: Cluster) -> None:
    """The certificate lacks the name of the Service."""
    cluster.logs["webhook-b"] = '{"event": "leaf-names-missing"}\n'


@spoils("webhook-log", "webhook-b: task-died", State.WARN)
def dead_task(cluster: Cluster) -> None:
    """A part of a replica ended that should never end."""
    cluster.logs["webhook-b"] = '{"event": "task-died", "task": "watches"}\n'


@spoils("namespaces-opted-in", f"no namespace is labelled {INJECT_KEY}", State.WARN)
def nobody_opted_in(cluster: Cluster) -> None:
    """Nothing is ever patched."""
    cluster.of("Namespace", "ml")["metadata"]["labels"] = {}


@spoils("namespace-labels", f"namespace ml: {INJECT_KEY}=true", State.WARN)
def misspelt_label(cluster: Cluster) -> None:
    """People write true."""
    cluster.of("Namespace", "ml")["metadata"]["labels"] = {INJECT_KEY: "true"}
