"""The heartbeat of one replica of ``serve``, with all its parts."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path

from certs.api import Installation
from certs.state_events import StateEvents
from certs.tls_context import CertificateSource
from webhook.controllers.heartbeat import Heartbeat, Parts
from webhook.controllers.leadership import Leadership
from webhook.controllers.own_events import OwnEvents
from webhook.kube_client.client import KubeClient
from webhook.kube_client.clock import Clock
from webhook.kube_client.credentials import CredentialsLoader
from webhook.registration.causes import platform_of
from webhook.server.certificate_metrics import CertificateMetrics
from webhook.server.state import Replica


@dataclass(frozen=True, slots=True)
class Sender:
    """What the heartbeat needs of the rest of the replica."""

    client: KubeClient
    kubeconfig: Path | None
    installation: Installation
    leadership: Leadership
    replica: Replica
    certificate: CertificateSource
    metrics: CertificateMetrics
    port: int

    def tasks(
        self, seconds: float, synced: asyncio.Event, draining: asyncio.Event
    ) -> dict[str, Coroutine[None, None, None]]:
        """Return the tasks that send heartbeats; none if ``seconds`` is 0."""
        if not seconds or self.replica.told is None:
            return {}
        heartbeat = Heartbeat(self._parts(StateEvents(self.replica.told)), seconds)
        return {"heartbeat": _run(heartbeat, synced), "stop-heartbeat": _stop(heartbeat, draining)}

    def _parts(self, state_events: StateEvents) -> Parts:
        clock = Clock()
        return Parts(
            client=self.client,
            connect=self._connect,
            installation=self.installation,
            policy=self.replica.policy,
            leadership=self.leadership,
            events=OwnEvents(self.client, self.installation, self.replica.name, clock),
            status=self.replica.heartbeat,
            state_events=state_events,
            leaf=lambda: self.certificate.tls.leaf,
            foreign_is_known=lambda: self.certificate.status.foreign_entries is not None,
            refusals=lambda: self.metrics.refusals,
            readiness=self.replica.readiness,
            platform=self._platform,
            clock=clock,
            port=self.port,
        )

    def _connect(self) -> KubeClient:
        return KubeClient(CredentialsLoader(str(self.kubeconfig) if self.kubeconfig else None))

    def _platform(self) -> str:
        # All nodes of a cluster are of one platform.
        node = next(iter((self.replica.source.view.nodes or {}).values()), None)
        return platform_of(node.labels) if node else ""


async def _run(heartbeat: Heartbeat, synced: asyncio.Event) -> None:
    await synced.wait()
    await heartbeat.run()


async def _stop(heartbeat: Heartbeat, draining: asyncio.Event) -> None:
    await draining.wait()
    heartbeat.stop()
