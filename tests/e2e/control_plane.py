"""A real control plane on loopback: etcd, kube-apiserver and kube-controller-manager.

There is no node: pods are admitted, none runs. No privileges are needed, and every secret is made for one run.
"""

import json
import secrets
import shutil
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from e2e.kubectl import Kubectl, write_kubeconfig
from e2e.processes import Started, started, until

LOOPBACK = "127.0.0.1"
START_SECONDS = 90

Programs = Mapping[str, Path]

# Writes to pods and their controllers, with annotations of the webhooks; reads would hide them. Of the webhook itself,
# all requests: they are few.
AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "Metadata", "users": ["system:serviceaccount:gpu-injector:gpu-injector"]},
        {
            "level": "Metadata",
            "verbs": ["create", "update", "patch", "delete"],
            "resources": [{"group": ""}, {"group": "apps"}, {"group": "admissionregistration.k8s.io"}],
        },
        {"level": "None"},
    ],
}


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """A control plane that answers, how to reach it, and its processes; ``kubectl`` is its administrator's."""

    folder: Path
    url: str
    certificate_authority: Path
    kubectl: Kubectl
    etcd: Started
    api_server: Started

    @property
    def logs(self) -> Path:
        """The folder with every component's log, the audit log among them."""
        return _logs(self.folder)

    def audit_events(self, since: int = 0) -> list[dict[str, Any]]:
        """Return what the audit log has from a place on; a request's line may come a little later than its answer."""
        with (self.logs / "audit.log").open("rb") as log:
            log.seek(since)
            return [json.loads(line) for line in log if line.endswith(b"\n")]

    def audit_end(self) -> int:
        """Return the place in the audit log where its next line begins; that line may be written just now."""
        return (self.logs / "audit.log").read_bytes().rfind(b"\n") + 1

    def kubeconfig_of(self, service_account: str, namespace: str) -> Path:
        """Write a kubeconfig for a ServiceAccount, with a token that the API server signed, and return its path."""
        return write_kubeconfig(
            self.folder / f"{namespace}.{service_account}.kubeconfig",
            server=self.url,
            certificate_authority=self.certificate_authority,
            token=self.kubectl.token(service_account, namespace),
        )


def free_port() -> int:
    """Return a port of loopback that nothing listens on now."""
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        port: int = listener.getsockname()[1]
    return port


@contextmanager
def control_plane(programs: Programs, folder: Path, *, address: str = LOOPBACK) -> Iterator[ControlPlane]:
    """Run a control plane in a folder until the context ends; it is ready when the context begins.

    A node must be able to reach the address; without one, loopback is enough.
    """
    _logs(folder).mkdir(parents=True)
    token = secrets.token_urlsafe()
    with (
        _etcd(programs, folder) as (etcd, etcd_url),
        _api_server(programs, folder, etcd_url, token, address) as (server, url),
    ):
        # The API server made this certificate at its start: a leaf for loopback, and the CA that signed it.
        authority = folder / "apiserver.crt"
        kubeconfig = write_kubeconfig(
            folder / "admin.kubeconfig", server=url, certificate_authority=authority, token=token
        )
        plane = ControlPlane(folder, url, authority, Kubectl(programs["kubectl"], kubeconfig), etcd, server)
        server.wait_until(lambda: plane.kubectl.succeeds("get", "--raw", "/readyz"), "ready", seconds=START_SECONDS)
        with _controllers(programs, plane, address) as controllers:
            controllers.wait_until(lambda: plane.kubectl.exists("serviceaccount/default"), "makes ServiceAccounts")
            yield plane


def wait_for_namespace(plane: ControlPlane, namespace: str) -> None:
    """Wait until pods can be created in a new namespace: a controller has to make its ServiceAccount first."""
    account = ("serviceaccount/default", "--namespace", namespace)
    until(lambda: plane.kubectl.exists(*account), f"ServiceAccount default in {namespace}")


@contextmanager
def _etcd(programs: Programs, folder: Path) -> Iterator[tuple[Started, str]]:
    clients, peers = (f"http://{LOOPBACK}:{free_port()}" for _ in range(2))
    flags = {
        "name": "e2e",
        "data-dir": folder / "etcd",
        "listen-client-urls": clients,
        "advertise-client-urls": clients,
        "listen-peer-urls": peers,
        "initial-advertise-peer-urls": peers,
        "initial-cluster": f"e2e={peers}",
        "unsafe-no-fsync": "true",
    }
    try:
        with started("etcd", [programs["etcd"], *_flags(flags)], _logs(folder)) as etcd:
            yield etcd, clients
    finally:
        # The logs are kept for the analysis of a failure; the data are large and not useful.
        shutil.rmtree(folder / "etcd", ignore_errors=True)


@contextmanager
def _api_server(
    programs: Programs, folder: Path, etcd_url: str, admin_token: str, address: str
) -> Iterator[tuple[Started, str]]:
    port = free_port()
    key = _signing_key(folder)
    (folder / "tokens.csv").write_text(f'{admin_token},e2e-admin,e2e-admin,"system:masters"\n')
    (folder / "audit-policy.json").write_text(json.dumps(AUDIT_POLICY))
    flags = {
        "etcd-servers": etcd_url,
        "bind-address": address,
        "advertise-address": address,
        "secure-port": port,
        # Nothing is in it: the API server then makes apiserver.crt there by itself.
        "cert-dir": folder,
        "token-auth-file": folder / "tokens.csv",
        "authorization-mode": "Node,RBAC",
        # As in a cluster that kubeadm made: a kubelet changes its own node and pods only.
        "enable-admission-plugins": "NodeRestriction",
        "service-account-issuer": "https://kubernetes.default.svc",
        "service-account-key-file": key,
        "service-account-signing-key-file": key,
        "service-cluster-ip-range": "10.96.0.0/16",
        # The endpoints of Service kubernetes may not be loopback addresses; without a node no client uses them.
        "endpoint-reconciler-type": "none" if address == LOOPBACK else "lease",
        # A node's name cannot be resolved, and its pods are reached without the node's own proxy.
        "kubelet-preferred-address-types": "InternalIP",
        "enable-aggregator-routing": "true",
        "allow-privileged": "true",
        "audit-policy-file": folder / "audit-policy.json",
        "audit-log-path": _logs(folder) / "audit.log",
    }
    with started("kube-apiserver", [programs["kube-apiserver"], *_flags(flags)], _logs(folder)) as server:
        yield server, f"https://{address}:{port}"


@contextmanager
def _controllers(programs: Programs, plane: ControlPlane, address: str) -> Iterator[Started]:
    flags = {
        "kubeconfig": plane.kubectl.kubeconfig,
        "service-account-private-key-file": _key_file(plane.folder),
        "root-ca-file": plane.certificate_authority,
        # Pods are made by their controller's own user, as in a cluster that kubeadm made.
        "use-service-account-credentials": "true",
        # Without kubelets there are no heartbeats: nodes that a test creates would soon be marked as dead.
        "controllers": "*,-node-lifecycle-controller" if address == LOOPBACK else "*",
        "leader-elect": "false",
        "bind-address": LOOPBACK,
        "secure-port": "0",
    }
    command = [programs["kube-controller-manager"], *_flags(flags)]
    with started("kube-controller-manager", command, plane.logs) as controllers:
        yield controllers


def _flags(flags: Mapping[str, object]) -> list[str]:
    return [f"--{name}={value}" for name, value in flags.items()]


def _logs(folder: Path) -> Path:
    return folder / "logs"


def _key_file(folder: Path) -> Path:
    return folder / "service-accounts.key"


def _signing_key(folder: Path) -> Path:
    """Write the key that signs the tokens of ServiceAccounts, and return its path."""
    path = _key_file(folder)
    path.touch(mode=0o600)
    key = ec.generate_private_key(ec.SECP256R1())
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()))
    return path
