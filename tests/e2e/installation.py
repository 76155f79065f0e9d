"""gpu-injector as its users install it: ``deploy/install.yaml`` applied, and the real process with its real rights.

One thing differs: no node runs here, so the process is started on this machine, and the registrations name its loopback
address (``url``) where the manifest names the Service.
"""

import http.client
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from prometheus_client.parser import text_string_to_metric_families

from e2e.control_plane import LOOPBACK, ControlPlane
from e2e.kubectl import Manifest
from e2e.processes import Started, started

MANIFEST = Path(__file__).parents[2] / "deploy" / "install.yaml"
NAME = "gpu-injector"
PROGRAM = "GPU_INJECTOR_PROGRAM"
WORKLOADS = "/mutate/workloads"


@dataclass(frozen=True, slots=True)
class Webhook:
    """The running webhook, and the port of its probes and metrics."""

    process: Started
    admin_port: int
    port: int

    def calls(self, path: str = WORKLOADS) -> int:
        """Return how many requests the API server has made to one of the paths, whatever the answer was."""
        return int(self.metric("controller_runtime_webhook_requests_total", webhook=path))

    def metric(self, name: str, **labels: str) -> float:
        """Return the sum of a metric's samples that have these labels."""
        families = text_string_to_metric_families(self.read("/metrics").decode())
        samples = (sample for family in families for sample in family.samples if sample.name == name)
        return sum(one.value for one in samples if labels.items() <= one.labels.items())

    def read(self, path: str) -> bytes:
        """Return the body of a page of the admin port, whatever its status."""
        connection = http.client.HTTPConnection(LOOPBACK, self.admin_port, timeout=10)
        try:
            connection.request("GET", path)
            return connection.getresponse().read()
        finally:
            connection.close()


def install(plane: ControlPlane, port: int) -> None:
    """Apply the manifest, with the registrations sent to a port of loopback."""
    documents = yaml.safe_load_all(MANIFEST.read_text())
    plane.kubectl.apply(_reached_by_url(document, port) for document in documents if document)


def _reached_by_url(document: dict[str, Any], port: int) -> Manifest:
    if document["kind"] in ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"):
        for entry in document["webhooks"]:
            service = entry["clientConfig"].pop("service")
            entry["clientConfig"]["url"] = f"https://{LOOPBACK}:{port}{service['path']}"
    return document


def our_program() -> Path:
    """Return the program under test: this environment's, or for benchmarks the one that is named."""
    return Path(os.environ.get(PROGRAM) or Path(sys.executable).with_name(NAME))


@contextmanager
def running_webhook(
    plane: ControlPlane, port: int, *arguments: object, name: str = NAME, environment: Mapping[str, str] | None = None
) -> Iterator[Webhook]:
    """Run the webhook as its ServiceAccount until the context ends; it listens when the context begins.

    Replicas that run at one time have a ``name`` each, for their logs; port 0 takes a free one; ``environment`` joins
    ours.
    """
    program = our_program()
    kubeconfig = plane.kubeconfig_of(NAME, NAME)
    ports = ("--host", LOOPBACK, "--port", str(port), "--admin-port", "0", "--decisions-port", "0")
    # There is no other replica to answer when a test stops it.
    command = [program, "serve", "--kubeconfig", kubeconfig, "--tls-name", LOOPBACK, "--drain-seconds", "0", *ports]
    command += arguments
    whole = {**os.environ, "POD_NAMESPACE": NAME, **(environment or {})}
    with started(name, command, plane.logs, environment=whole) as process:
        listening = process.wait_until(process.first_line, "says that it listens")
        yield Webhook(process, listening["adminPort"], listening["port"])
