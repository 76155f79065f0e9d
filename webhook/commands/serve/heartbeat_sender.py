"""The heartbeat of one replica of ``serve``, with all its parts."""

from dataclasses import dataclass
from pathlib import Path

from certs.api import Installation
from certs.state_events import StateEvents
from certs.tls_context import CertificateSource
from webhook.controllers.heartbeat import Heartbeat, HeartbeatParts
from webhook.controllers.leadership import Leadership
from webhook.controllers.own_events import OwnEvents
from webhook.kube_client.client import KubeClient
from webhook.kube_client.clock import Clock
from webhook.kube_client.credentials import CredentialsLoader
from webhook.registration.causes import platform_of
from webhook.server.certificate_metrics import CertificateMetrics
from webhook.server.state import Replica


@dataclass(frozen=True, slots=True)
class HeartbeatSender:
    """What the heartbeat needs of the command line and of the replica; ``seconds`` are between two heartbeats."""

    kubeconfig: Path | None
    replica: Replica
    metrics: CertificateMetrics
    port: int
    seconds: float

    def heartbeat(
        self,
        client: KubeClient,
        installation: Installation,
        certificate: CertificateSource,
        leadership: Leadership,
        state_events: StateEvents,
    ) -> Heartbeat:
        """Return the heartbeat of this replica, before its first round."""
        clock = Clock()
        parts = HeartbeatParts(
            client=client,
            connect=self._connect,
            installation=installation,
            policy=self.replica.policy,
            leadership=leadership,
            events=OwnEvents(client, installation, self.replica.name, clock),
            status=self.replica.heartbeat,
            state_events=state_events,
            leaf=lambda: certificate.tls.leaf,
            refusals=lambda: self.metrics.refusals,
            foreign_is_known=lambda: certificate.status.foreign_entries is not None,
            readiness=self.replica.readiness,
            platform=self._platform,
            clock=clock,
            port=self.port,
        )
        return Heartbeat(parts, self.seconds)

    def _connect(self) -> KubeClient:
        return KubeClient(CredentialsLoader(str(self.kubeconfig) if self.kubeconfig else None))

    def _platform(self) -> str:
        # All nodes of a cluster are of one platform.
        node = next(iter((self.replica.source.view.nodes or {}).values()), None)
        return platform_of(node.labels) if node else ""
