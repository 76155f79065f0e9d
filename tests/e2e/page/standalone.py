"""The webhook on this machine, without a cluster, and the reviews that are sent to it."""

import http.client
import json
import ssl
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from e2e.installation import NAME
from e2e.processes import started

HOST = "localhost"


@dataclass(frozen=True, slots=True)
class Standalone:
    """Where the webhook listens, its log, and the authority by which it is verified."""

    port: int
    decisions_port: int
    authority: Path
    log: Path

    @property
    def page(self) -> str:
        """The address of the page."""
        return f"http://{HOST}:{self.decisions_port}/"

    def create(self, pod: Mapping[str, Any], namespace: str, path: str = "/mutate/workloads") -> dict[str, Any]:
        """Send the review of a new pod, as the API server would, and return the response."""
        request = {
            "uid": str(uuid.uuid4()),
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "namespace": namespace,
            "operation": "CREATE",
            "object": pod,
        }
        review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
        context = ssl.create_default_context(cafile=str(self.authority))
        connection = http.client.HTTPSConnection(HOST, self.port, context=context, timeout=10)
        try:
            connection.request("POST", path, json.dumps(review), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            assert answer.status == http.client.OK, answer.read()
            response: dict[str, Any] = json.loads(answer.read())["response"]
            return response
        finally:
            connection.close()


@contextmanager
def standalone(view: Path, folder: Path) -> Iterator[Standalone]:
    """Run the webhook over a view, with its log in a folder, until the context ends."""
    program, authority = Path(sys.executable).with_name(NAME), folder / "ca.crt"
    ports = ("--port", "0", "--admin-port", "0", "--decisions-port", "0")
    command = (program, "serve", "--standalone", "--view", view, "--ca-file", authority, *ports)
    with started("standalone", command, folder) as process:
        listening = process.wait_until(process.first_line, "says that it listens")
        yield Standalone(listening["port"], listening["decisionsPort"], authority, process.log)
