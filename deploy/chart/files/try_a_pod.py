"""What `helm test` runs in the cluster: a GPU pod as a server-side dry-run, which the webhook must have answered.

Nothing is stored. Only Python's own library is needed, and the image has a Python.
"""

import json
import os
import ssl
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
DECISION = "gpu-injector.io/decision"
# A new namespace and a new registration take a moment to reach every cache.
ATTEMPTS = 30


def main() -> int:
    """Ask until the webhook has answered; return the exit code."""
    resource = os.environ["RESOURCE"]
    said = ""
    for _ in range(ATTEMPTS):
        said, answered = attempt(resource)
        print(said, flush=True)
        if answered:
            return 0
        time.sleep(1)
    print(f"the webhook did not answer: {said}\nSee docs/troubleshooting.md, 'a pod has no annotation'.")
    return 1


def attempt(resource: str) -> tuple[str, bool]:
    """Ask once; return what became of the pod, and whether that was the webhook's word."""
    try:
        with urllib.request.urlopen(request(resource), context=trust(), timeout=10) as answer:  # noqa: S310  https
            warnings = answer.headers.get_all("Warning") or []
            annotations = json.load(answer)["metadata"].get("annotations", {})
    except urllib.error.HTTPError as error:
        return f"the API server refused the pod: {error.code} {error.read().decode()}", False
    ours = [warning for warning in warnings if "gpu-injector: " in warning]
    if DECISION in annotations:
        return "\n".join([f"{DECISION}: {annotations[DECISION]}", *ours]), True
    return "\n".join(ours) or f"the pod was created without {DECISION}", bool(ours)


def request(resource: str) -> urllib.request.Request:
    """Return the request that creates the pod, as a dry-run."""
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    address = f"[{host}]" if ":" in host else host
    url = f"https://{address}:{port}/api/v1/namespaces/{os.environ['NAMESPACE']}/pods?dryRun=All"
    token = (ACCOUNT / "token").read_text().strip()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    return urllib.request.Request(url, json.dumps(pod(resource)).encode(), headers, method="POST")


def pod(resource: str) -> dict[str, Any]:
    """Return a pod that requests one of the resource."""
    container = {"name": "main", "image": "none", "resources": {"limits": {resource: 1}}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "gpu-injector-test"},
        "spec": {"containers": [container], "automountServiceAccountToken": False},
    }


def trust() -> ssl.SSLContext:
    """Return what verifies the API server."""
    return ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))


if __name__ == "__main__":
    sys.exit(main())
