"""Clusters in which the API server does not call the webhook."""

from support.doctor_cases.table import spoils
from support.doctor_world import Cluster

UNMARKED: tuple[int, dict[str, object]] = (201, {"metadata": {}})


@spoils("heartbeat", "the MutatingWebhookConfiguration gpu-injector was deleted")
def heartbeat_of_no_registration(cluster: Cluster) -> None:
    """The registration was deleted."""
    cluster.heartbeat = UNMARKED
    cluster.remove("MutatingWebhookConfiguration", "gpu-injector")


@spoils("heartbeat", "the registration has no entry heartbeat.gpu-injector.io")
def heartbeat_without_entry(cluster: Cluster) -> None:
    """An older manifest is installed."""
    cluster.heartbeat = UNMARKED
    registration = cluster.of("MutatingWebhookConfiguration", "gpu-injector")
    registration["webhooks"] = [item for item in registration["webhooks"] if not item["name"].startswith("heartbeat")]


@spoils("heartbeat", "the entry heartbeat.gpu-injector.io was changed: its objectSelector also has example.com/a In x")
def heartbeat_entry_changed(cluster: Cluster) -> None:
    """The selector does not match any more."""
    cluster.heartbeat = UNMARKED
    cluster.entry("heartbeat")["objectSelector"]["matchLabels"]["example.com/a"] = "x"


@spoils("heartbeat", "the caBundle of the entry heartbeat.gpu-injector.io does not accept the certificate")
def heartbeat_without_trust(cluster: Cluster) -> None:
    """A re-apply removed the caBundle."""
    cluster.heartbeat = UNMARKED
    del cluster.entry("heartbeat")["clientConfig"]["caBundle"]


@spoils("heartbeat", "the Service gpu-injector in gpu-injector has no ready endpoint")
def heartbeat_without_endpoints(cluster: Cluster) -> None:
    """No replica is ready."""
    cluster.heartbeat = UNMARKED
    cluster.of("EndpointSlice", "gpu-injector-1")["endpoints"] = []


@spoils("heartbeat", "the call failed at once and did not reach the webhook")
def heartbeat_refused_port(cluster: Cluster) -> None:
    """The API server cannot connect."""
    cluster.heartbeat = UNMARKED


@spoils("heartbeat", 'failed calling webhook "heartbeat.gpu-injector.io"')
def heartbeat_that_fails(cluster: Cluster) -> None:
    """With failurePolicy Fail the API server names the cause."""
    message = 'Internal error occurred: failed calling webhook "heartbeat.gpu-injector.io": no endpoints available'
    cluster.heartbeat = (500, {"kind": "Status", "reason": "InternalError", "message": message})
