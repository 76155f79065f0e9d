"""Checks that the API server would call us for a re-created plugin pod: reads the registration and sends a review.

No pod is created. The request is sent as the API server sends it: to the Service's address, with the Service's name,
trusting only the caBundle.
"""

import base64
import ssl
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from certs.api import Installation
from certs.webhook_configs import is_ours
from webhook.kube.label_selector import matches_selector
from webhook.kube.values import items, mapping, text
from webhook.kube_client.client import KubeClient
from webhook.names import BOOTSTRAP_ENTRY
from webhook.view.view import Labels

# A path below /mutate/ that no entry uses is answered, but not counted as a decision.
PROBE_PATH = "/mutate/probe"
ANSWER_SECONDS = 5


@dataclass(frozen=True, slots=True)
class _Endpoint:
    """Where the API server calls us: an address, and the name that the certificate must be valid for."""

    address: str
    name: str


class ReachabilityCheck:
    """Checks that the registration of one installation points to our server."""

    def __init__(self, client: KubeClient, installation: Installation) -> None:
        self._client, self._installation = client, installation

    async def missing(self, namespace: str, labels: Labels) -> str:
        """Return why the API server does not call us for a namespace's pods, or "". Raises ApiError, OSError."""
        found = await self._get(self._installation.registration_path("mutatingwebhookconfigurations"))
        entry = next((entry for entry in items(found.get("webhooks")) if entry.get("name") == BOOTSTRAP_ENTRY), None)
        if entry is None:
            return f"there is no entry {BOOTSTRAP_ENTRY}"
        client = mapping(entry.get("clientConfig"))
        if not is_ours(client, self._installation):
            return f"the entry {BOOTSTRAP_ENTRY} does not point to our Service"
        if not matches_selector(mapping(entry.get("namespaceSelector")), labels):
            return f"the entry {BOOTSTRAP_ENTRY} does not select namespace {namespace}"
        endpoint = await self._endpoint(client)
        return await _try(endpoint, text(client.get("caBundle"))) if endpoint else "the Service has no address"

    async def _endpoint(self, client: Mapping[str, Any]) -> _Endpoint | None:
        if url := text(client.get("url")):
            return _Endpoint(urlsplit(url).netloc, urlsplit(url).hostname or "")
        service = mapping(client.get("service"))
        namespace, name = text(service.get("namespace")), text(service.get("name"))
        found = await self._get(f"/api/v1/namespaces/{namespace}/services/{name}")
        address = text(mapping(found.get("spec")).get("clusterIP"))
        if address in ("", "None"):
            return None
        host = f"[{address}]" if ":" in address else address
        return _Endpoint(f"{host}:{service.get('port') or 443}", f"{name}.{namespace}.svc")

    async def _get(self, path: str) -> Mapping[str, Any]:
        return await self._client.find(path) or {}


async def _try(endpoint: _Endpoint, bundle: str) -> str:
    """Send an empty review; return why the answer is not ours, empty if it is."""
    try:
        trust = _trust(bundle)
    except ValueError:
        return "the caBundle cannot be read"
    uid, name = str(uuid.uuid4()), endpoint.name
    url = f"https://{endpoint.address}{PROBE_PATH}"
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS)) as session,
            session.post(url, json=_review(uid), ssl=trust, server_hostname=name, allow_redirects=False) as got,
        ):
            answer = mapping(await got.json())
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return f"no verified answer from {name} ({type(error).__name__})"
    response = mapping(answer.get("response"))
    is_ours = (response.get("uid"), response.get("allowed")) == (uid, True)
    return "" if is_ours else f"the answer of {name} is not ours"


def _trust(bundle: str) -> ssl.SSLContext:
    """Return a context that trusts a caBundle (PEM in base64) and nothing else. Raises ValueError."""
    authorities = base64.b64decode(bundle, validate=True).decode("ascii")
    if not authorities.strip():
        # An empty one would make ssl trust the system's authorities.
        raise ValueError("the caBundle is empty")
    try:
        context = ssl.create_default_context(cadata=authorities)
    except ssl.SSLError as error:
        raise ValueError("the caBundle contains no certificates") from error
    # The API server does not verify strictly either.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def _review(uid: str) -> dict[str, Any]:
    request = {"uid": uid, "operation": "CREATE", "resource": {"group": "", "version": "v1", "resource": "pods"}}
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {**request, "object": {}}}
