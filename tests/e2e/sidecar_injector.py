"""Another mutating webhook, as service meshes have one: it adds a container to the pods that ask for it by label.

Its registration's name sorts behind ours, so the API server calls it after us.
"""

import base64
import json
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from certs.issuer import issue_leaf, make_authority
from e2e.control_plane import LOOPBACK

NAME = "sidecar-injector"
LABEL = "sidecar.example.com/inject"
SIDECAR = {"name": "mesh-proxy", "image": "mesh.example.com/proxy:1"}
LIFETIME = timedelta(hours=2)


class _Handler(BaseHTTPRequestHandler):
    """Answers every AdmissionReview with the patch that adds the sidecar, once a pod."""

    sidecar: Mapping[str, Any] = SIDECAR

    def do_POST(self) -> None:
        """Answer a review."""
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        body = json.dumps({**review, "response": _response(review["request"], self.sidecar)}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  the base class's name for it
        """Log nothing: standard error is pytest's."""


def _response(request: dict[str, Any], sidecar: Mapping[str, Any]) -> dict[str, Any]:
    response = {"uid": request["uid"], "allowed": True}
    if SIDECAR["name"] in (container["name"] for container in request["object"]["spec"]["containers"]):
        return response
    patch = json.dumps([{"op": "add", "path": "/spec/containers/-", "value": sidecar}])
    return {**response, "patchType": "JSONPatch", "patch": base64.b64encode(patch.encode()).decode()}


@contextmanager
def sidecar_injector(folder: Path, sidecar: Mapping[str, Any] = SIDECAR) -> Iterator[dict[str, Any]]:
    """Serve until the context ends; gives the registration that makes the API server call it."""
    now = datetime.now(UTC)
    authority = make_authority(now, LIFETIME)
    leaf = issue_leaf(authority, [LOOPBACK], now, LIFETIME)
    handler = type("Handler", (_Handler,), {"sidecar": sidecar})
    server = ThreadingHTTPServer((LOOPBACK, 0), handler)
    server.socket = _context(leaf.certificate + leaf.key, folder).wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield _registration(server.server_port, authority.certificate)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _context(certificate_and_key: bytes, folder: Path) -> ssl.SSLContext:
    path = folder / f"{NAME}.pem"
    path.touch(mode=0o600)
    path.write_bytes(certificate_and_key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


def _registration(port: int, ca_bundle: bytes) -> dict[str, Any]:
    entry = {
        "name": f"{NAME}.example.com",
        "clientConfig": {
            "url": f"https://{LOOPBACK}:{port}/mutate",
            "caBundle": base64.b64encode(ca_bundle).decode(),
        },
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}],
        "objectSelector": {"matchLabels": {LABEL: "enabled"}},
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        # If it were away, the test would prove nothing, so the pod must be refused.
        "failurePolicy": "Fail",
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": NAME},
        "webhooks": [entry],
    }
