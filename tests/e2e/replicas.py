"""Two replicas of the real process behind one address, their certificates, and the failures meanwhile."""

import secrets
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from cryptography import x509

from certs.api import Installation
from certs.certificate import fingerprint
from certs.secret_content import ROTATE_ANNOTATION, Rotation, SecretContent, read_content
from e2e.control_plane import LOOPBACK, ControlPlane, wait_for_namespace
from e2e.direct_api import MERGE_PATCH, DirectApi
from e2e.forwarder import Forwarder, forwarding
from e2e.installation import NAME, Webhook, running_webhook
from e2e.namespaces import INJECT
from e2e.pod_load import INJECTED
from e2e.pods import wait_for_decision
from e2e.processes import until

INSTALLATION = Installation()


@dataclass(frozen=True)
class Replicas:
    """Replicas behind one address, a namespace to create pods in, and the API server's and their own counts."""

    plane: ControlPlane
    api: DirectApi
    forwarder: Forwarder
    running: list[Webhook]
    namespace: str

    def material(self) -> SecretContent:
        """Return what the Secret holds."""
        return read_content(self.api.get(INSTALLATION.secret_path))

    def ask(self, rotation: Rotation) -> None:
        """Ask for a rotation as `certs rotate` does."""
        note = {"metadata": {"annotations": {ROTATE_ANNOTATION: rotation}}}
        status, answer = self.api.call("PATCH", INSTALLATION.secret_path, note, MERGE_PATCH)
        assert status == 200, answer

    def staged(self) -> bool:
        """Whether a new authority signs, and the leaf is still of the one before."""
        return is_staged(self.material())

    def rotated(self, before: SecretContent, *replicas: Webhook) -> bool:
        """Whether these replicas serve a leaf of an authority that was not there before."""
        after = self.material()
        new = after.signer is not None and fingerprint(after.signer.parse()) not in map(fingerprint, before.bundle)
        return new and not is_staged(after) and all(one_served(one) == after.leaf.parse() for one in replicas)

    def failures(self) -> dict[str, float]:
        """Return what the API server counted since its start, and what running replicas did since theirs."""
        entry = {"name": "workloads.gpu-injector.io"}
        refused = {"reason": "certificate-refused"}
        log = (self.plane.logs / "kube-apiserver.log").read_text(errors="replace")
        return {
            "calls": self.api.metric("apiserver_admission_webhook_request_total", entry),
            "fail-open": self.api.metric("apiserver_admission_webhook_fail_open_count", entry),
            "rejected": self.api.metric("apiserver_admission_webhook_rejection_count", entry),
            "certificates refused, by the API server": log.count("x509: "),
            "certificates refused, by the replicas": sum(
                one.metric("gpu_injector_tls_handshake_failures_total", **refused)
                for one in self.running
                if one.process.process.poll() is None
            ),
        }


@contextmanager
def two_replicas(plane: ControlPlane, port: int, *arguments: object, road: str = "") -> Iterator[Replicas]:
    """Start both, and wait until the API server calls them; ``road`` is another URL by which they reach it."""
    theirs = replace(plane, url=road or plane.url)
    name = f"team-under-load-{secrets.token_hex(2)}"
    labels = {INJECT: "enabled"}
    plane.kubectl.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}])
    wait_for_namespace(plane, name)
    with (
        DirectApi(plane.kubectl.kubeconfig) as api,
        running_webhook(theirs, 0, *arguments, name=f"{NAME}-a") as one,
        running_webhook(theirs, 0, *arguments, name=f"{NAME}-b") as other,
        forwarding(port, one.port, other.port) as forwarder,
    ):
        wait_for_decision(plane.kubectl, INJECTED)
        until(lambda: one.read("/readyz") == other.read("/readyz") == b"ok\n", "both replicas are ready")
        running = Replicas(plane, api, forwarder, [one, other], name)
        yield running
        # All drain at the same time.
        for replica in running.running:
            replica.process.process.terminate()
    # Thousands of pods: the namespace's controller takes long, and the test need not wait for it.
    plane.kubectl.run("delete", "namespace", name, "--wait=false")


def is_staged(material: SecretContent) -> bool:
    """Whether the leaf is of another authority than the one that signs."""
    return material.signer is not None and material.leaf.parse().issuer != material.signer.parse().subject


def one_served(replica: Webhook) -> x509.Certificate:
    """Return the certificate that a replica presents."""
    return x509.load_pem_x509_certificate(ssl.get_server_certificate((LOOPBACK, replica.port)).encode())
