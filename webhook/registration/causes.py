"""Why the API server does not call us: the likely cause, from what one replica or one administrator can see. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from webhook.kube.metadata import metadata
from webhook.kube.values import items, mapping, text
from webhook.names import HEARTBEAT_ENTRY
from webhook.policy.model import Policy
from webhook.registration.drift import entry_drift
from webhook.registration.expected_entries import TIMEOUT_SECONDS

APPLY = "apply the manifest of this version again"
# A call that fails at once takes less; one whose packets are dropped takes the whole timeout of its entry.
SLOW_SECONDS = TIMEOUT_SECONDS - 0.5
URL_LIMIT = 200
PLATFORMS = {
    "eks.amazonaws.com/": "On EKS, the security group of the nodes must allow port {port} from the control plane. With"
    " another CNI than Amazon's, the chart needs `hostNetwork: true`.",
    "cloud.google.com/gke-": "On a private GKE cluster, a firewall rule must allow port {port} of the nodes from the"
    " control plane.",
    "kubernetes.azure.com/": "On AKS, see the network security group and the pods konnectivity-agent in kube-system.",
}
"""What to check on a platform, by how keys of its nodes' labels start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known while heartbeats are missed.

    ``registration`` is the MutatingWebhookConfiguration, None if there is none; ``unreadable`` says why it could not be
    read. ``accepts``: does the caBundle of the entry accept the certificate that is served? ``endpoints`` is the number
    of ready endpoints of the Service. None: not known. ``calls`` and ``refusals`` count heartbeats that reached this
    replica, and its TLS handshakes that a client refused. ``not_ready`` is why this replica is not ready.
    """

    policy: Policy
    home: str
    registration: Mapping[str, Any] | None = None
    unreadable: str = ""
    accepts: bool | None = None
    endpoints: int | None = None
    calls: int = 0
    refusals: int = 0
    not_ready: str = ""
    seconds: float = 0.0
    platform: str = ""
    port: int = 8443


def cause_of(evidence: Evidence) -> str:
    """Return the likely cause, and what to do."""
    if evidence.unreadable:
        return f"the registration cannot be read: {evidence.unreadable}"
    return _of_registration(evidence) or _of_calls(evidence) or _of_network(evidence)


def platform_of(label_keys: Iterable[str]) -> str:
    """Return the start of label keys by which PLATFORMS knows a node; empty for others."""
    return next((start for key in label_keys for start in PLATFORMS if key.startswith(start)), "")


def _of_registration(evidence: Evidence) -> str:
    found = evidence.registration
    if found is None or metadata(found).get("deletionTimestamp"):
        return f"the MutatingWebhookConfiguration gpu-injector was deleted: {APPLY}"
    entry = next((one for one in items(found.get("webhooks")) if one.get("name") == HEARTBEAT_ENTRY), None)
    if entry is None:
        return f"the registration has no entry {HEARTBEAT_ENTRY}: {APPLY}"
    client = mapping(entry.get("clientConfig"))
    service = mapping(client.get("service"))
    if not client.get("url") and service.get("namespace") != evidence.home:
        return f"the entry {HEARTBEAT_ENTRY} points to another Service: {APPLY}"
    if changes := "; ".join(entry_drift(entry, evidence.policy, evidence.home)):
        return f"the entry {HEARTBEAT_ENTRY} was changed: {changes}"
    if evidence.accepts is False:
        return f"the caBundle of the entry {HEARTBEAT_ENTRY} does not accept the certificate that is served"
    return ""


def _of_calls(evidence: Evidence) -> str:
    if evidence.calls:
        return "the API server called this replica but did not use the answer: is it overloaded, or slower than 3 s?"
    if evidence.refusals:
        return "a client refused the certificate of this replica: the caBundle does not accept it"
    return ""


def _of_network(evidence: Evidence) -> str:
    namespace, url = evidence.home, _url(evidence)
    look = f"kubectl -n {namespace} get service,endpointslices"
    if evidence.endpoints == 0 and not url:
        return f"the Service gpu-injector in {namespace} has no ready endpoint: {look}"
    if evidence.not_ready:
        return f"this replica is not ready ({evidence.not_ready}): the Service may have no ready endpoint; {look}"
    if evidence.seconds < SLOW_SECONDS:
        target = url or f"the Service gpu-injector in {namespace}"
        return (
            f"the call failed at once and did not reach the webhook: {target} has no ready endpoint, or nothing listens"
            f" on its port; {look}"
        )
    dropped = (
        "the call timed out and did not reach the webhook: a NetworkPolicy or firewall between the API server and port"
        f" {evidence.port} drops it"
    )
    return f"{dropped}. {PLATFORMS.get(evidence.platform, '').format(port=evidence.port)}".rstrip()


def _url(evidence: Evidence) -> str:
    entries = items(mapping(evidence.registration).get("webhooks"))
    entry = next((one for one in entries if one.get("name") == HEARTBEAT_ENTRY), {})
    return text(mapping(entry.get("clientConfig")).get("url"))[:URL_LIMIT]
