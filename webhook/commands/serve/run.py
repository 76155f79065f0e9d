"""``serve``: the webhook, in a cluster or, for one machine, without any."""

import asyncio
import math
import socket
import sys
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop

from certs.api import Installation
from certs.state_events import OnChange, StateEvents
from certs.tls_context import CertificateSource, LiveTls, standalone_tls
from webhook.commands.serve.certificate_source import CertificateOptions, provider
from webhook.commands.shared.input_files import InputError, read_policy
from webhook.commands.shared.view_files import read_view_files
from webhook.controllers.assemble import Shared, assemble_event_lookup, assemble_rounds, assemble_setbacks, share
from webhook.controllers.plugin_rounds import PluginRounds
from webhook.controllers.setback_watch import SetbackWatch
from webhook.decide.nodes.candidates import node_groups
from webhook.kube_client.api_error import CredentialsError
from webhook.kube_client.client import KubeClient
from webhook.kube_client.clock import Clock
from webhook.kube_client.credentials import CredentialsLoader
from webhook.policy.model import Policy
from webhook.server.admin import Admin
from webhook.server.app import Webhook
from webhook.server.background_tasks import TaskDiedError, beside
from webhook.server.certificate_metrics import CertificateMetrics
from webhook.server.decide_live import FixedView, ViewSource
from webhook.server.decision_log import Log, Metrics, Observer, open_log
from webhook.server.listeners import LOOPBACK, Addresses, Stop, run
from webhook.server.memory import map_large_blocks, settle
from webhook.server.state import Replica
from webhook.server.status_events import Told
from webhook.view.plugin_projections import known_plugins
from webhook.view.view import ClusterView

if TYPE_CHECKING:
    from webhook.view.live_view import LiveView

LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line says."""

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

    @property
    def addresses(self) -> Addresses:
        """Where to listen."""
        host = self.host or (LOOPBACK if self.standalone else "")
        return Addresses(host, self.port, self.admin_port, self.decisions_port)


def serve(options: Options) -> None:
    """Serve until a signal comes. Raises InputError for a policy, view or kubeconfig that cannot be used.

    Exits with 1 where a task died that should never end.
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
    webhook = Webhook(policy, source, _observer(source))
    tls, authority = standalone_tls((*LOCAL_NAMES, *options.certificate.tls_names))
    if options.ca_file:
        options.ca_file.write_bytes(authority)
    replica = Replica(name=socket.gethostname(), policy=policy, source=source)
    admin = Admin(webhook.observer, replica)
    await _sort_nodes(policy, source.view)
    settle()
    # There is no other replica to which clients could turn, so nothing is gained by waiting.
    await run(webhook, admin, tls, options.addresses, stop=Stop(), drain_seconds=0)


async def _in_cluster(options: Options) -> None:
    loader = CredentialsLoader(str(options.kubeconfig) if options.kubeconfig else None)
    try:
        async with KubeClient(loader) as client:
            await _serve_for(client, options)
    except CredentialsError as error:
        raise InputError(str(error)) from error


async def _serve_for(client: KubeClient, options: Options) -> None:
    """Serve while the view and the certificate are kept current beside it."""
    # A standalone webhook does not need it.
    from webhook.view.live_view import LiveView, observe_plugins, resources  # noqa: PLC0415

    log = open_log()
    told = Told(log)
    policy = read_policy(options.policy_file)
    watched = resources(policy.bootstrap.namespaces, known_plugins(policy))
    live = LiveView(
        client,
        watched,
        prepare=partial(_sort_nodes, policy),
        on_change=told,
        observe=observe_plugins(policy.is_gpu_resource),
    )
    webhook = Webhook(policy, live, _observer(live, log))
    metrics = CertificateMetrics(webhook.observer.metrics.registry, told)
    keeper = provider(client, options.certificate, LiveTls(metrics.handshake_failed), on_change=metrics)
    metrics.follow(keeper)
    replica = Replica(
        name=socket.gethostname(),
        policy=policy,
        source=live,
        readiness=partial(_unready, webhook, live, keeper),
        expiries=partial(_expiries, keeper),
        told=told,
    )
    admin = Admin(webhook.observer, replica)
    installation, clock = options.certificate.installation, Clock()
    shared = share(client, installation, policy, who=socket.gethostname(), clock=clock, take=live.take_state, tell=told)
    rounds = _rounds(client, installation, webhook, live, told, shared)
    setbacks = _setbacks(client, installation, webhook, live, told, shared)
    webhook.events = assemble_event_lookup(client, policy, webhook.observer.metrics, told)
    tasks = {
        **setbacks,
        "view": _keep_current(live),
        "groups": live.follow_groups(),
        "plugins": live.follow_plugins(),
        "certificate": keeper.run(),
        "rounds": rounds.run(live.synced),
        "stop-writing": _stop_writing(webhook, keeper, rounds),
    }
    stop = Stop()
    # Run the first garbage collection before accepting requests; it would delay them.
    settle()
    async with beside(tasks, stop, log):
        await run(webhook, admin, keeper.tls.context, options.addresses, stop=stop, drain_seconds=options.drain_seconds)


async def _sort_nodes(policy: Policy, view: ClusterView) -> None:
    # In a thread: to judge all nodes of a large cluster takes longer than a request should wait.
    await asyncio.to_thread(node_groups, view, policy)


async def _keep_current(live: "LiveView") -> None:
    """Keep the view current."""
    async with asyncio.TaskGroup() as group:
        group.create_task(live.run())
        await live.synced.wait()
        settle()


def _unready(webhook: Webhook, live: "LiveView", keeper: CertificateSource) -> str:
    """Return why this replica should get no requests, empty where it should."""
    if webhook.draining.is_set():
        return "draining"
    if not live.synced.is_set():
        missing = ", ".join(live.missing())
        return f"not listed yet: {missing}" if missing else "listed, and nodes are being sorted"
    if keeper.tls.leaf is None:
        return "there is no certificate yet"
    return "" if keeper.status.ready else f"certificate: {keeper.status.reason}"


async def _stop_writing(webhook: Webhook, keeper: CertificateSource, rounds: PluginRounds) -> None:
    await webhook.draining.wait()
    keeper.stop()
    rounds.stop()


def _rounds(  # noqa: PLR0913, PLR0917 - each is another part of the replica
    client: KubeClient, installation: Installation, webhook: Webhook, live: "LiveView", tell: OnChange, shared: Shared
) -> PluginRounds:
    return assemble_rounds(
        client,
        installation,
        webhook.policy,
        live,
        who=socket.gethostname(),
        metrics=webhook.observer.metrics,
        state_events=StateEvents(tell),
        clock=Clock(),
        shared=shared,
    )


def _setbacks(  # noqa: PLR0913, PLR0917 - each is another part of the replica
    client: KubeClient, installation: Installation, webhook: Webhook, live: "LiveView", tell: OnChange, shared: Shared
) -> dict[str, Coroutine[None, None, None]]:
    """Return the tasks that keep the setbacks; none where the policy wants none."""
    if not webhook.policy.setbacks.plugins:
        return {}
    watch = assemble_setbacks(
        client,
        installation,
        webhook.policy,
        live,
        who=socket.gethostname(),
        shared=shared,
        tell=tell,
        metrics=webhook.observer.metrics,
        clock=Clock(),
    )
    webhook.state = shared.store
    return {
        "state": shared.store.run(),
        "setbacks": watch.run(live.synced),
        "stop-setbacks": _stop_setbacks(webhook, watch),
    }


async def _stop_setbacks(webhook: Webhook, watch: SetbackWatch) -> None:
    await webhook.draining.wait()
    watch.stop()


def _observer(source: ViewSource, log: Log | None = None) -> Observer:
    metrics = Metrics.create()
    metrics.view_age.set_function(source.oldest_age_seconds)
    return Observer(log or open_log(), metrics)


def _expiries(keeper: CertificateSource) -> tuple[float, float]:
    return _timestamp(keeper.status.leaf_expires), _timestamp(keeper.status.authority_expires)


def _timestamp(moment: datetime | None) -> float:
    return moment.timestamp() if moment else math.nan
