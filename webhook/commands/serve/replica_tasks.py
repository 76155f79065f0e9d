"""The background tasks of a replica in a cluster: they keep view, certificate and shared state current."""

import asyncio
import socket
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Protocol

from certs.api import Installation
from certs.state_events import StateEvents
from certs.tls_context import CertificateSource
from webhook.commands.serve.heartbeat_sender import HeartbeatSender
from webhook.controllers.assemble import Shared, assemble_event_lookup, assemble_rounds, assemble_setbacks, share
from webhook.kube_client.client import KubeClient
from webhook.kube_client.clock import Clock
from webhook.observations.waits import Waits
from webhook.server.app import Webhook
from webhook.server.memory import settle
from webhook.server.status_events import StatusEvents
from webhook.view.live_view import LiveView

Tasks = dict[str, Coroutine[None, None, None]]


class Stoppable(Protocol):
    """A task that writes to the API server until it is stopped."""

    def stop(self) -> None:
        """End it after the current step."""


@dataclass(frozen=True, slots=True)
class ReplicaParts:
    """The parts of one replica that its tasks use."""

    client: KubeClient
    installation: Installation
    webhook: Webhook
    live: LiveView
    certificate: CertificateSource
    events: StatusEvents
    sender: HeartbeatSender
    waits: Waits

    def tasks(self) -> Tasks:
        """Return the tasks by name; none of them ends before the replica does."""
        who, clock = socket.gethostname(), Clock()
        shared = share(
            self.client,
            self.installation,
            self.webhook.policy,
            who=who,
            clock=clock,
            take=self.live.take_state,
            tell=self.events,
            waits=self.waits,
        )
        rounds = assemble_rounds(
            self.client,
            self.installation,
            self.webhook.policy,
            self.live,
            who=who,
            metrics=self.webhook.observer.metrics,
            state_events=StateEvents(self.events),
            clock=clock,
            shared=shared,
        )
        metrics = self.webhook.observer.metrics
        self.webhook.events = assemble_event_lookup(self.client, self.webhook.policy, metrics, self.events, clock)
        return {
            **self._setbacks(shared, who, clock),
            **self._heartbeat(shared),
            "view": self._keep_current(),
            "groups": self.live.follow_groups(),
            "plugins": self.live.follow_plugins(),
            "certificate": self.certificate.run(),
            "rounds": rounds.run(self.live.synced),
            "stop-writing": self._stop_when_draining(self.certificate, rounds),
        }

    def _setbacks(self, shared: Shared, who: str, clock: Clock) -> Tasks:
        """Return the tasks that keep the setbacks; none if the policy turns them off."""
        if not self.webhook.policy.setbacks.plugins:
            return {}
        watch = assemble_setbacks(
            self.client,
            self.installation,
            self.webhook.policy,
            self.live,
            who=who,
            shared=shared,
            tell=self.events,
            metrics=self.webhook.observer.metrics,
            clock=clock,
        )
        self.webhook.state = shared.store
        return {
            "state": shared.store.run(),
            "setbacks": watch.run(self.live.synced),
            "stop-setbacks": self._stop_when_draining(watch),
        }

    def _heartbeat(self, shared: Shared) -> Tasks:
        """Return the tasks that send heartbeats; none if the administrator turns them off."""
        if not self.sender.seconds:
            return {}
        heartbeat = self.sender.heartbeat(
            self.client, self.installation, self.certificate, shared.leadership, StateEvents(self.events)
        )
        return {
            "heartbeat": heartbeat.run(self.live.synced),
            "stop-heartbeat": self._stop_when_draining(heartbeat),
        }

    async def _keep_current(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self.live.run())
            await self.live.synced.wait()
            settle()

    async def _stop_when_draining(self, *writers: Stoppable) -> None:
        """Stop writing to the API server as soon as the replica drains."""
        await self.webhook.draining.wait()
        for writer in writers:
            writer.stop()
