"""``serve``: run the webhook, in a cluster or standalone on one machine."""

import asyncio
import math
import socket
import sys
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop

from certs.tls_context import CertificateSource, LiveTls, standalone_tls
from webhook.commands.serve.certificate_source import CertificateOptions, provider
from webhook.commands.serve.heartbeat_sender import HeartbeatSender
from webhook.commands.shared.input_files import InputError, read_policy
from webhook.commands.shared.view_files import read_view_files
from webhook.decide.nodes.candidates import node_groups
from webhook.kube_client.api_error import CredentialsError
from webhook.kube_client.client import KubeClient
from webhook.kube_client.credentials import CredentialsLoader
from webhook.observations.waits import Waits
from webhook.policy.model import Policy
from webhook.server.admin import Admin
from webhook.server.app import Webhook
from webhook.server.background_tasks import TaskDiedError, beside
from webhook.server.certificate_metrics import CertificateMetrics
from webhook.server.decide_live import FixedView, ViewSource
from webhook.server.decision_log import DecisionLog, Log, open_log
from webhook.server.ignored_reports import IgnoredReports
from webhook.server.listeners import LOOPBACK, Addresses, Stop, run
from webhook.server.memory import map_large_blocks, settle
from webhook.server.metrics import Metrics
from webhook.server.state import Replica
from webhook.server.status_events import StatusEvents
from webhook.view.plugin_projections import known_plugins
from webhook.view.view import ClusterView

if TYPE_CHECKING:
    from webhook.view.live_view import LiveView

LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of the command line."""

    standalone: bool
    view_file: Path | None
    policy_file: Path | None
    kubeconfig: Path | None
    host: str
    port: int
    admin_port: int
    decisions_port: int
    ca_file: Path | None
    certificate: CertificateOptions
    drain_seconds: float
    heartbeat_seconds: float
    node_facts: bool
    waits: Waits

    @property
    def addresses(self) -> Addresses:
        """Where to listen."""
        host = self.host or (LOOPBACK if self.standalone else "")
        return Addresses(host, self.port, self.admin_port, self.decisions_port)


def serve(options: Options) -> None:
    """Serve until a signal comes. Raises InputError for a policy, view or kubeconfig that cannot be used.

    Exits with 1 if a task failed that should never end.
    """
    map_large_blocks()
    try:
        uvloop.run(_standalone(options) if options.standalone else _in_cluster(options))
    except TaskDiedError:
        sys.exit(1)


async def _standalone(options: Options) -> None:
    if options.view_file is None:
        raise InputError("a standalone webhook needs a view")
    policy = read_policy(options.policy_file)
    source = FixedView((await read_view_files([options.view_file], None, policy)).view)
    webhook = Webhook(policy, source, _decision_log(source))
    tls, authority = standalone_tls((*LOCAL_NAMES, *options.certificate.tls_names))
    if options.ca_file:
        options.ca_file.write_bytes(authority)
    replica = Replica(name=socket.gethostname(), policy=policy, source=source)
    admin = Admin(webhook.observer, replica)
    await asyncio.to_thread(node_groups, source.view, policy)
    settle()
    # There is no other replica for the clients, so draining has no use.
    await run(webhook, admin, tls, options.addresses, stop=Stop(), drain_seconds=0)


async def _in_cluster(options: Options) -> None:
    loader = CredentialsLoader(str(options.kubeconfig) if options.kubeconfig else None)
    try:
        async with KubeClient(loader) as client:
            await _serve_for(client, options)
    except CredentialsError as error:
        raise InputError(str(error)) from error


async def _serve_for(client: KubeClient, options: Options) -> None:
    """Serve while tasks in the background keep the view and the certificate current."""
    # A standalone webhook does not need it.
    from webhook.commands.serve.replica_tasks import ReplicaParts  # noqa: PLC0415

    log = open_log()
    events = StatusEvents(log)
    policy = read_policy(options.policy_file)
    live = _live_view(client, policy, events, options)
    webhook = Webhook(policy, live, _decision_log(live, log))
    webhook.heartbeat.register(webhook.observer.metrics.registry)
    metrics = CertificateMetrics(webhook.observer.metrics.registry, events)
    certificate = provider(client, options.certificate, LiveTls(metrics.handshake_failed), on_change=metrics)
    metrics.follow(certificate, webhook.heartbeat)
    replica = Replica(
        name=socket.gethostname(),
        policy=policy,
        source=live,
        readiness=partial(_unready, webhook, live, certificate),
        expiries=partial(_expiries, certificate),
        events=events,
        heartbeat=webhook.heartbeat,
    )
    admin = Admin(webhook.observer, replica)
    sender = HeartbeatSender(options.kubeconfig, replica, metrics, options.port, options.heartbeat_seconds)
    parts = ReplicaParts(
        client, options.certificate.installation, webhook, live, certificate, events, sender, options.waits
    )
    stop, tls = Stop(), certificate.tls.context
    # Run the first garbage collection before accepting requests; it would delay them.
    settle()
    async with beside(parts.tasks(), stop, log):
        await run(webhook, admin, tls, options.addresses, stop=stop, drain_seconds=options.drain_seconds)


def _live_view(client: KubeClient, policy: Policy, events: StatusEvents, options: Options) -> "LiveView":
    from webhook.view.live_view import LiveView, observe_plugins  # noqa: PLC0415
    from webhook.view.watched_resources import resources  # noqa: PLC0415

    facts_namespace = options.certificate.installation.namespace if options.node_facts else ""
    ignored = IgnoredReports(events)
    return LiveView(
        client,
        resources(policy.bootstrap.namespaces, known_plugins(policy), facts_namespace),
        prepare=partial(_prepare, policy, ignored),
        on_change=events,
        observe=observe_plugins(policy.is_gpu_resource),
    )


async def _prepare(policy: Policy, ignored: IgnoredReports, view: ClusterView) -> None:
    # In a thread: classifying all nodes of a large cluster takes longer than a request should wait.
    await asyncio.to_thread(node_groups, view, policy)
    await asyncio.to_thread(ignored.look, view)


def _unready(webhook: Webhook, live: "LiveView", certificate: CertificateSource) -> str:
    """Return why this replica should get no requests; empty if it should."""
    if webhook.draining.is_set():
        return "draining"
    if not live.synced.is_set():
        missing = ", ".join(live.missing())
        return f"not listed yet: {missing}" if missing else "listed, and nodes are being sorted"
    if certificate.tls.leaf is None:
        return "there is no certificate yet"
    return "" if certificate.status.ready else f"certificate: {certificate.status.reason}"


def _decision_log(source: ViewSource, log: Log | None = None) -> DecisionLog:
    metrics = Metrics.create()
    metrics.view_age.set_function(source.oldest_age_seconds)
    return DecisionLog(log or open_log(), metrics)


def _expiries(certificate: CertificateSource) -> tuple[float, float]:
    return _timestamp(certificate.status.leaf_expires), _timestamp(certificate.status.authority_expires)


def _timestamp(moment: datetime | None) -> float:
    return moment.timestamp() if moment else math.nan
