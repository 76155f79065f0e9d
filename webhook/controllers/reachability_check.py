"""Whether a plugin pod that is made anew would reach us: what the API server knows of us is read back and tried.

No pod is created for it. The request goes the way of the API server's own: to the Service's address, for the Service's
name, under the caBundle alone.
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
from webhook.view.view import Labels

ENTRY = "bootstrap.gpu-injector.io"
# Below /mutate/, a path that no entry has is answered and counted nowhere as a decision.
PROBE_PATH = "/mutate/probe"
ANSWER_SECONDS = 5


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the API server calls us: an address, and the name that the certificate must be good for."""

    address: str
    name: str


class Proof:
    """Proves that the registration of one installation leads to a server of ours."""

    def __init__(self, client: KubeClient, installation: Installation) -> None:
        self._client, self._installation = client, installation

    async def missing(self, namespace: str, labels: Labels) -> str:
        """Return what keeps a namespace's pods from us, empty for nothing. Raises ApiError, OSError."""
        found = await self._get(self._installation.registration_path("mutatingwebhookconfigurations"))
        entry = next((entry for entry in items(found.get("webhooks")) if entry.get("name") == ENTRY), None)
        if entry is None:
            return f"there is no entry {ENTRY}"
        client = mapping(entry.get("clientConfig"))
        if not is_ours(client, self._installation):
            return f"the entry {ENTRY} leads elsewhere"
        if not matches_selector(mapping(entry.get("namespaceSelector")), labels):
            return f"the entry {ENTRY} leaves namespace {namespace} out"
        place = await self._place(client)
        return await _try(place, text(client.get("caBundle"))) if place else "the Service has no address"

    async def _place(self, client: Mapping[str, Any]) -> _Place | None:
        if url := text(client.get("url")):
            return _Place(urlsplit(url).netloc, urlsplit(url).hostname or "")
        service = mapping(client.get("service"))
        namespace, name = text(service.get("namespace")), text(service.get("name"))
        found = await self._get(f"/api/v1/namespaces/{namespace}/services/{name}")
        address = text(mapping(found.get("spec")).get("clusterIP"))
        if address in ("", "None"):
            return None
        host = f"[{address}]" if ":" in address else address
        return _Place(f"{host}:{service.get('port') or 443}", f"{name}.{namespace}.svc")

    async def _get(self, path: str) -> Mapping[str, Any]:
        return await self._client.find(path) or {}


async def _try(place: _Place, bundle: str) -> str:
    """Send a review that asks for nothing, and return why the answer is none of ours, empty where it is."""
    try:
        trust = _trust(bundle)
    except ValueError:
        return "the caBundle cannot be read"
    uid = str(uuid.uuid4())
    url = f"https://{place.address}{PROBE_PATH}"
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS)) as session,
            session.post(url, json=_review(uid), ssl=trust, server_hostname=place.name, allow_redirects=False) as got,
        ):
            answer = mapping(await got.json())
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return f"no answer that verifies came from {place.name} ({type(error).__name__})"
    response = mapping(answer.get("response"))
    return "" if (response.get("uid"), response.get("allowed")) == (uid, True) else f"{place.name} answers otherwise"


def _trust(bundle: str) -> ssl.SSLContext:
    """Return a context that trusts a caBundle (PEM in base64) and nothing else. Raises ValueError."""
    authorities = base64.b64decode(bundle, validate=True).decode("ascii")
    if not authorities.strip():
        # An empty one would mean the system's authorities.
        raise ValueError("the caBundle is empty")
    try:
        context = ssl.create_default_context(cadata=authorities)
    except ssl.SSLError as error:
        raise ValueError("the caBundle holds no certificates") from error
    # The API server does not ask for it either.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def _review(uid: str) -> dict[str, Any]:
    request = {"uid": uid, "operation": "CREATE", "resource": {"group": "", "version": "v1", "resource": "pods"}}
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {**request, "object": {}}}
